// Calls to the simulators' control APIs, which are served by the same process as this page.

/** Send JSON and return the JSON answered; throws an Error with the server's reason. */
export async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `HTTP ${response.status}`);
  return answer;
}

const wecom = (path) => `/wecom/_control/${path}`;

/** Let a customer send a message; returns once it has left, not once it is answered. */
export function write(userid, message) {
  return call("POST", wecom(`members/${encodeURIComponent(userid)}/messages`), { ...message, wait: false });
}

/** Let a customer send several messages, one right after the other. */
export function writeMany(userid, messages) {
  return call("POST", wecom("batch"), { messages: messages.map((message) => ({ ...message, userid })), wait: false });
}

/** Add somebody to the enterprise. */
export function addCustomer(userid, name) {
  return call("POST", wecom("members"), { userid, name });
}
