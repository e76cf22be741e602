// Shows a text as WeCom shows it: line breaks and <a href="…"> are all it knows (developer docs, path 90236).

const LINK = /<a\s+href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)')\s*>([^<]*)<\/a>/gi;

/** Return the nodes that show `text`. A link to anything but a web address stays the text it is. */
export function wecomText(text) {
  const nodes = [];
  let shown = 0;
  for (const match of text.matchAll(LINK)) {
    const link = linkTo(match[1] ?? match[2], match[3]);
    if (!link) continue;
    nodes.push(...lines(text.slice(shown, match.index)), link);
    shown = match.index + match[0].length;
  }
  nodes.push(...lines(text.slice(shown)));
  return nodes;
}

function linkTo(address, label) {
  if (!/^https?:\/\//i.test(address)) return null;
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.append(label);
  return link;
}

/** Return the nodes of a text without links. */
export function lines(text) {
  return text.split("\n").flatMap((line, place) => (place ? [document.createElement("br"), line] : [line]));
}
