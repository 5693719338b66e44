// (a) The least that a Worker can do: pass the request on.
export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    return fetch((pathname.startsWith("/up/") ? env.UPLOADS : env.ORIGIN) + pathname + search, request);
  },
};
