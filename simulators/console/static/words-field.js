// A field to write in: it grows with what is written, Enter sends, Shift+Enter makes a new line.

const TALLEST = 120; // pixels

/** Connect the field of a form; `send` is called with what was written. Return a function that takes it out unsent. */
export function wordsField(form, field, send) {
  const fit = () => {
    field.style.setProperty("height", "auto");
    field.style.setProperty("height", `${Math.min(field.scrollHeight, TALLEST)}px`);
  };
  const take = () => {
    const said = field.value.trim();
    field.value = "";
    fit();
    return said;
  };
  const submit = () => {
    const said = take();
    if (said) send(said);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  field.addEventListener("keydown", (event) => {
    // While an input method is composing, Enter picks a word; 229 is how Safari says so after the fact.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    submit();
  });
  field.addEventListener("input", fit);
  return take;
}
