# The base of every machine: all server programs, from Debian's packages. Which
# they are the kinds say: headroom writes their names in before it builds.
# One RUN, so that nothing removed at its end lives on in a lower layer.
# The path excludes drop documentation, translations and what only tools we do
# not run need: LLVM and Z3 (PostgreSQL's JIT is off), the compiler's link-time
# optimiser, sanitizers and static libraries (Varnish compiles VCL with plain
# gcc). PostgreSQL's manual pages go last: its set-up script links to them.
# The label and the entry point are here, not in machine.Dockerfile, to leave
# that with one step: where Docker compares whole trees, each takes seconds.
ARG BASE
FROM ${BASE}
LABEL headroom=image
ENTRYPOINT ["/usr/local/bin/headroom", "machine"]
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    printf 'path-exclude=%s\n' \
        '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' \
        '/usr/share/locale/*' '/usr/share/i18n/*' \
        '/usr/lib/*/libLLVM*' '/usr/lib/*/libz3.so*' '/usr/lib/llvm-*' '/usr/lib/postgresql/*/lib/bitcode/*' \
        '/usr/lib/postgresql/*/lib/llvmjit*' \
        '/usr/libexec/gcc/*/*/lto1' '/usr/libexec/gcc/*/*/g++-mapper-server' \
        '/usr/lib/gcc/*/*/lib?san*' '/usr/lib/*/lib?san.so*' '/usr/lib/*/libhwasan.so*' \
        '/usr/lib/gcc/*/*/libhwasan*' '/usr/lib/*/libubsan.so*' \
        '/usr/bin/*lto-dump*' '/usr/bin/*gprofng*' '/usr/lib/*/libgprofng.so*' \
        '/usr/lib/*/libc.a' '/usr/lib/*/libm-*.a' '/usr/lib/*/libmvec.a' \
        > /etc/dpkg/dpkg.cfg.d/headroom; \
    printf 'force-unsafe-io\n' > /etc/dpkg/dpkg.cfg.d/headroom-io; \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; \
    chmod +x /usr/sbin/policy-rc.d; \
    mkdir -p /etc/postgresql-common; \
    printf 'create_main_cluster = false\n' > /etc/postgresql-common/createcluster.conf; \
    printf 'Acquire::Retries "3";\nAcquire::Languages "none";\n' > /etc/apt/apt.conf.d/99headroom; \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends \
        ${PACKAGES} ca-certificates; \
    dpkg-query -W -f '${Package} ${Version}\n' \
        ${PACKAGES} > /etc/headroom-versions; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* \
        /usr/share/postgresql/*/man /var/lib/dpkg/*-old /usr/sbin/policy-rc.d /tmp/*
