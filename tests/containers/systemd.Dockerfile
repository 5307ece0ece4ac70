# A Debian 12 machine with everything that segue stands beside, and a systemd to run it.
FROM debian:bookworm-slim
RUN apt-get update -qq \
 && printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    systemd systemd-sysv dbus polkitd make procps socat haproxy pgbouncer postgresql-15 \
    zookeeper default-jre-headless libslf4j-java \
    adduser libevent-core-2.1-7 libevent-extra-2.1-7 libinih1 libjansson4 libpq5 libsystemd0 libzookeeper-st2 >/dev/null \
 && systemctl disable pgbouncer postgresql 2>/dev/null \
 && rm -f /usr/sbin/policy-rc.d
CMD ["/sbin/init"]
