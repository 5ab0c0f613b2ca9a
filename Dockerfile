# The program of docs/program.md as an image; docs/deploy.md says how to run it.
#
#     docker build -t geecache .
#     docker run --read-only -p 127.0.0.1:9999:9999 geecache --origin 'https://api.example.com/items/{key}'

FROM denoland/deno:2.9.6 AS build
WORKDIR /app
# .dockerignore lets in what the program consists of, and nothing else.
COPY . .
RUN deno bundle --quiet --frozen --platform=deno --output=dist/serve.js serve/serve.ts

# Deno and a C library: no shell, no package manager.
FROM denoland/deno:distroless-2.9.6
WORKDIR /app
# Deno wants to be told of a folder, and does without it where nothing can be written.
ENV DENO_DIR=/app/.deno
ENV GEECACHE_HOST=0.0.0.0
ENV GEECACHE_HEALTH_PORT=9998
COPY --from=build /app/dist .
USER 65532:65532
EXPOSE 9999 9998
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["deno", "eval", "const { ok } = await fetch(`http://127.0.0.1:${Deno.env.get('GEECACHE_HEALTH_PORT')}/healthz`); Deno.exit(ok ? 0 : 1);"]
ENTRYPOINT ["deno", "run", "--quiet", "--no-config", "--unstable-no-legacy-abort", "--cached-only", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-write=/tmp", "serve.js"]
