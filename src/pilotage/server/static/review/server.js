// Talking to the server: JSON under /api/v1/review, with the session's security token.

export class Unreachable extends Error {}
export class Refusal extends Error {
  constructor(status, told) {
    super(told.what ?? "The server refused this.");
    this.status = status;
    this.told = told;
  }
}

let csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";

export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api/v1/review/${path}`, {
      method,
      headers: { accept: "application/json", "x-csrf-token": csrf, ...(body ? { "content-type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Unreachable("The server cannot be reached.");
  }
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  if (response.status >= 500 || response.status === 429) throw new Unreachable(told.what ?? "The server is busy.");
  if (response.status === 403 && (await renewToken())) return call(method, path, body);
  throw new Refusal(response.status, told);
}

/** Whether this page's security token was out of date and has been replaced. */
async function renewToken() {
  try {
    const html = await (await fetch(location.pathname, { headers: { accept: "text/html" } })).text();
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector('meta[name="csrf-token"]')?.content;
    if (!fresh || fresh === csrf) return false;
    csrf = fresh;
    return true;
  } catch {
    throw new Unreachable("The server cannot be reached.");
  }
}
