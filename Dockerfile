# sockhostd and sockctl on Debian 12 slim.
#   docker build -t sockhost .
#   docker run -d --name sockhost --read-only --cap-drop all --network host \
#     -v sockhost:/var/lib/sockhost --tmpfs /run/sockhost:mode=1777 sockhost
#   docker exec sockhost sockctl listener create my-echo \
#     --service echo --address tcp://127.0.0.1:7007

FROM debian:bookworm-slim AS build
# Before the sources are copied, so that a changed source does not install the packages again.
COPY docker/packages/build.txt /tmp/packages.txt
# dpkg-dev brings dpkg-shlibdeps, used below.
RUN apt-get update \
 && sed 's/#.*//' /tmp/packages.txt \
    | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends dpkg-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /sockhost
COPY . .
RUN cmake --preset image \
 && cmake --build --preset image \
 && install -D --strip --target-directory /out/bin build/image/bin/sockhostd build/image/bin/sockctl
# Which Debian packages hold the shared libraries that the two programs link: nobody has to keep
# that list. dpkg-shlibdeps insists on being in a source package, hence the empty control file.
RUN mkdir debian && touch debian/control \
 && dpkg-shlibdeps -O /out/bin/* \
    | sed 's/^shlibs:Depends=//; s/ ([^)]*)//g; s/, /\n/g' > /out/packages.txt

FROM debian:bookworm-slim
COPY --from=build /out/packages.txt /usr/share/doc/sockhost/packages.txt
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive xargs --arg-file /usr/share/doc/sockhost/packages.txt \
    apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
# The volume belongs to the user that the daemon runs as. The folder of the admin socket is usually
# hidden by a tmpfs, which takes its mode from here and its owner from root: hence 1777.
 && install --directory --owner 65532 --group 65532 --mode 0750 /var/lib/sockhost \
 && install --directory --owner 65532 --group 65532 --mode 1777 /run/sockhost
COPY LICENSE /usr/share/doc/sockhost/copyright
COPY --from=build /out/bin/ /usr/local/bin/

USER 65532:65532
VOLUME /var/lib/sockhost
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["sockctl", "health"]
ENTRYPOINT ["sockhostd"]

# Last, because they differ for every commit.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sockhost" \
      org.opencontainers.image.description="Hosts many network services on one thread" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="debian:bookworm-slim" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
