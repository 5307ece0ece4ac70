# segue: `make demo` shows it, `make check` tests it, `make help` lists the rest.
#   V=1 shows every command; SAN=1 builds with AddressSanitizer and UBSan, in a folder of its own.

VERSION := 0.1.0
PREFIX  ?= /usr
DESTDIR ?=
CC      ?= gcc
SAN     ?=
V       ?=
BUILD   := build$(if $(SAN),/san)
Q       := $(if $(V),,@)
say      = $(if $(V),@:,@printf '  %-6s %s\n' '$(1)' '$(2)')

LIB_PKGS   := libevent_core libevent_extra jansson
BUILD_DEPS := gcc make pkg-config libc6-dev libevent-dev libsystemd-dev libzookeeper-st-dev libinih-dev libjansson-dev libpq-dev
UNIT_DEPS  := libcriterion-dev
TEST_DEPS  := haproxy zookeeper default-jre-headless libslf4j-java \
              postgresql-15 pgbouncer patroni python3-kazoo postgresql-15-repmgr repmgr openssl iproute2 \
              chromium chromium-driver prometheus curl libfaketime
LINT_DEPS  := clang-tidy clang-format cppcheck man-db mandoc
FUZZ_DEPS  := clang libclang-rt-14-dev
PACKAGE_DEPS := dpkg-dev debhelper fakeroot lintian systemd
CONTAINER_DEPS := podman buildah runc debootstrap netavark aardvark-dns iptables docker-compose

WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
            -Wwrite-strings -Wpointer-arith -Wundef -Wvla -Werror
HARDEN   := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SAN_ALL  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANFLAGS := $(if $(SAN),$(SAN_ALL))
# PKG is evaluated when a recipe runs, so that `make deps` works where pkg-config is still missing.
PKG       = $(shell pkg-config $(1) $(LIB_PKGS))
# libpq is loaded at run time (sidecar/postgres/libpq.c): only its header is needed here.
PQ_INCLUDE := -isystem $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
CPPFLAGS += -D_GNU_SOURCE -DSEGUE_VERSION='"$(VERSION)"' -Iinclude -I$(BUILD)/generated $(PQ_INCLUDE)
CFLAGS   ?= -O2 -g
CFLAGS_   = -std=gnu11 $(WARNINGS) $(HARDEN) $(SANFLAGS) $(CFLAGS)
LDFLAGS_  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)
LDLIBS_   = $(call PKG,--libs) -lzookeeper_st -linih
TEST_CPPFLAGS = -Itests -I.

SRCS      := $(shell find sidecar publisher -name '*.c' | sort)
LIB_OBJS  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out sidecar/main.c,$(SRCS)))
UNIT_SRCS := $(sort $(wildcard tests/unit/*.c))
LAB_SRCS  := $(sort $(wildcard tests/lab/*.c))
E2E_SRCS  := $(sort $(wildcard tests/e2e/*.c tests/e2e/fixtures/*.c))
DEMO_SRCS := $(sort $(wildcard tests/demo/*.c))
SOAK_SRCS := tests/bench/soak.c
CHAOS_SRCS := $(sort $(wildcard tests/chaos/*.c))
BENCH_SRCS := $(filter-out $(SOAK_SRCS),$(sort $(wildcard tests/bench/*.c)))
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
obj        = $(patsubst %.c,$(BUILD)/%.o,$(1))
FORMATTED := $(shell find sidecar publisher include tests -name '*.[ch]' 2>/dev/null | sort)

.PHONY: all deps unit-deps test-deps lint-deps fuzz-deps package-deps container-deps deb check check-containers unit e2e lint lint-direction lint-circles lint-format \
        lint-man lint-cppcheck lint-tidy \
        fmt demo bench soak chaos fuzz install uninstall clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/segue

help:
	@printf '%s\n' \
	  'make              build the segue binary in build/' \
	  'make demo         a failover, live, on loopback servers that it starts and stops itself' \
	  'make check        install what is missing, build, unit tests, end-to-end tests (SAN=1: sanitizers)' \
	  'make unit, e2e    unit tests; every end-to-end test; one of them: T=SUITE/TEST, * for any; J: at a time' \
	  'make deb          the Debian package in build/ (installs debhelper)' \
	  'make check-containers  the Docker image and its compose file, in containers (as root; make container-deps)' \
	  'make lint         clang-tidy, cppcheck, format, manual, direction and circles of the files' \
	  'make fuzz         every fuzz target for FUZZ_SECONDS (60)' \
	  'make bench        the measurements of README.md (BENCH_ARGS=--quick: fewer rounds)' \
	  'make soak         SOAK_CHANGES (10000) changes with restarts of everything at random' \
	  'make chaos        faults of everything by SEED for MINUTES (5), with clients and a judge (as root)' \
	  'make fmt          clang-format in place' \
	  'make deps         install the Debian packages that a build needs (apt-get); test-deps, lint-deps, ...: for those' \
	  'make install      binary, units, man pages, templates, completion under DESTDIR PREFIX (/usr); make uninstall' \
	  'make clean        remove build/'

# Asks dpkg first, so that nothing happens (and no network is needed) where all is there.
define install_missing
@missing=""; for p in $(1); do \
  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then echo "  DEPS  $$missing"; \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -qq && \
  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
endef

deps:
	$(call install_missing,$(BUILD_DEPS))

unit-deps:
	$(call install_missing,$(BUILD_DEPS) $(UNIT_DEPS))

test-deps:
	$(call install_missing,$(BUILD_DEPS) $(UNIT_DEPS) $(TEST_DEPS))

lint-deps:
	$(call install_missing,$(LINT_DEPS))

fuzz-deps:
	$(call install_missing,$(FUZZ_DEPS))

package-deps:
	$(call install_missing,$(BUILD_DEPS) $(PACKAGE_DEPS))

container-deps:
	$(call install_missing,$(CONTAINER_DEPS))

$(BUILD)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(if $(filter tests/%,$<),$(TEST_CPPFLAGS)) $(CFLAGS_) $(call PKG,--cflags) -MMD -MP -c -o $@ $<

# The status page as one HTML file, and that in C with the hashes of its style and its script: they are all that its
# Content-Security-Policy lets a browser take. What it hashes is what stands between the tags, newlines and all.
PAGE_SRCS := $(addprefix sidecar/report/page.,html css js)
PAGE_C    := $(BUILD)/generated/page_bytes.h
page_hash  = sha256-$$({ echo; sed '1,/^<$(1)>$$/d; /^<\/$(1)>$$/,$$d' $(PAGE_C:.h=.html); } | \
             sha256sum | cut -c1-64 | tr a-f A-F | basenc --base16 -d | base64)

$(PAGE_C): $(PAGE_SRCS) Makefile
	$(call say,PAGE,$@)
	@mkdir -p $(@D)
	$(Q)sed -e '/^page\.css$$/{r sidecar/report/page.css' -e 'd}' \
	  -e '/^page\.js$$/{r sidecar/report/page.js' -e 'd}' $< | sed 's/^\t*//' >$(@:.h=.html)
	$(Q){ echo "#define PAGE_STYLE_HASH \"$(call page_hash,style)\""; \
	  echo "#define PAGE_SCRIPT_HASH \"$(call page_hash,script)\""; \
	  echo 'static const char page_bytes[] = {'; \
	  od -An -v -tx1 $(@:.h=.html) | sed 's/ \(..\)/0x\1,/g'; echo '};'; } >$@

$(BUILD)/sidecar/report/endpoint.o $(BUILD)/tidy/sidecar/report/endpoint.c.ok: $(PAGE_C)

# The templates that ship, and the package's segue.ini, are in the binary.
$(BUILD)/sidecar/setup/shipped.o: $(wildcard templates/*.mustache) packaging/debian/segue.ini

$(BUILD)/libsegue.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/segue: $(BUILD)/sidecar/main.o $(BUILD)/libsegue.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $^ $(LDLIBS_)

$(BUILD)/unit: $(call obj,$(UNIT_SRCS) tests/sanitizer.c) $(BUILD)/libsegue.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $^ $(LDLIBS_) -lcriterion -lpq

$(BUILD)/liblab.a: $(call obj,$(LAB_SRCS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/e2e: $(call obj,$(E2E_SRCS) tests/sanitizer.c) $(BUILD)/liblab.a $(BUILD)/libsegue.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $^ $(LDLIBS_) -lcriterion -lpq

# LD_PRELOADed into segue by the end-to-end tests that need a kill -9 or a full disk at an exact step.
$(BUILD)/faults.so: tests/faults/faults.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 $(WARNINGS) -O2 -g -fPIC -shared -o $@ $< -ldl

-include $(patsubst %.o,%.d,$(LIB_OBJS) $(BUILD)/sidecar/main.o $(call obj,$(UNIT_SRCS) $(LAB_SRCS) $(E2E_SRCS)))

# The rooms of the house, in the order of the flow: a folder includes its own files and what stands before it here, and
# those named PURE know no loop, no store and no server. docs/architecture.md says what each room is for.
ROOMS := base config topology decide render zookeeper postgres watch publisher target haproxy/model haproxy \
         pgbouncer/model pgbouncer report cluster run setup cli
PURE  := $(wildcard $(addsuffix /*.[ch],$(foreach r,topology decide render haproxy/model pgbouncer/model,sidecar/$r include/$r))) \
         publisher/decide.c publisher/decide_topology.c publisher/seen_nodes.c

TIDY_SRCS := $(SRCS) $(UNIT_SRCS) $(LAB_SRCS) $(E2E_SRCS) $(sort $(wildcard tests/bench/*.c tests/chaos/*.c tests/demo/*.c tests/fuzz/*.c))

lint: lint-deps lint-direction lint-circles lint-format lint-man lint-cppcheck lint-tidy

lint-direction:
	$(call say,LINT,direction of includes)
	@find sidecar include publisher -name '*.[ch]' ! -path sidecar/main.c | sort | xargs awk -v rooms='$(ROOMS)' ' \
	  BEGIN { n = split(rooms, list, " "); for (i = 1; i <= n; i++) at[list[i]] = i } \
	  FNR == 1 { own = FILENAME; sub(/^(sidecar|include)\//, "", own); sub(/\/[^\/]*$$/, "", own); \
	    if (!(own in at)) { print FILENAME ": its folder is none of ROOMS"; bad = 1 } } \
	  /^#include "[^"]*\// { to = $$2; gsub(/"/, "", to); sub(/\/[^\/]*$$/, "", to); \
	    if (!(to in at) || at[to] > at[own]) { print FILENAME ":" FNR ": " $$0; bad = 1 } } \
	  END { exit bad }' || { echo 'lint: the lines above point against the direction of the flow (ROOMS in the Makefile)'; exit 1; }
	@! grep -nE '#include <(event2|zookeeper|libpq)' $(PURE) || { echo 'lint: these files are pure'; exit 1; }

# Which file calls a function of which, by the symbols of the objects; those of zookeeper/ count as one file.
lint-circles: $(LIB_OBJS)
	$(call say,LINT,circles of files)
	@nm -A -P $(LIB_OBJS) | awk '{ file = $$1; sub(/^$(subst /,\/,$(BUILD))\//, "", file); sub(/\.o:$$/, ".c", file); \
	    sub(/^sidecar\/zookeeper\/.*/, "sidecar/zookeeper/", file) } \
	  $$3 ~ /[TDBRV]/ { home[$$2] = file } \
	  $$3 == "U" { user[NR] = file; name[NR] = $$2 } \
	  END { for (i in user) if (name[i] in home && home[name[i]] != user[i]) print user[i], home[name[i]] }' | \
	  tsort >/dev/null || { echo 'lint: the files above call each other in a circle'; exit 1; }

lint-format:
	$(call say,LINT,format)
	@clang-format --dry-run -Werror $(FORMATTED)

# man exits with 0 whatever groff says of the page.
lint-man:
	$(call say,LINT,manual)
	@bad=0; for p in man/*.[157]; do mandoc -Tlint -Wwarning $$p || bad=1; \
	  said=$$(MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z $$p 2>&1 >/dev/null); \
	  [ -z "$$said" ] || { echo "$$said"; bad=1; }; done; exit $$bad

lint-cppcheck:
	$(call say,LINT,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
	  --suppress=missingIncludeSystem --suppress=unknownMacro --error-exitcode=1 -j2 $(CPPFLAGS) $(TEST_CPPFLAGS) sidecar publisher tests/lab

lint-tidy: $(TIDY_SRCS:%=$(BUILD)/tidy/%.ok)

# Checked again only after a change of the file or of a header that it includes: the compiler writes down which.
$(BUILD)/tidy/%.ok: % .clang-tidy
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(TEST_CPPFLAGS) -std=gnu11 $(call PKG,--cflags) -MM -MP -MG -MT $@ -MF $(@:.ok=.d) $<
	$(Q)clang-tidy --quiet $< -- $(CPPFLAGS) $(TEST_CPPFLAGS) -std=gnu11 $(WARNINGS:-Werror=) $(call PKG,--cflags) 2>/dev/null
	@touch $@

-include $(wildcard $(TIDY_SRCS:%=$(BUILD)/tidy/%.d))

fmt:
	$(Q)clang-format -i $(FORMATTED)

# Fuzz targets: tests/fuzz/fuzz_X.c, with what they need compiled in by clang; seeds in tests/fuzz/corpus/X.
FUZZ_SECONDS ?= 60
fuzz: fuzz-deps $(FUZZ_SRCS:tests/fuzz/fuzz_%.c=fuzz-%)

FUZZ_FLAGS = $(CPPFLAGS) $(TEST_CPPFLAGS) -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $(call PKG,--cflags)
FUZZ_OBJS := $(patsubst %.c,build/fuzz/%.o,$(filter-out sidecar/main.c,$(SRCS)))

build/fuzz/%.o: %.c Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

build/fuzz/sidecar/report/endpoint.o: $(PAGE_C)
build/fuzz/sidecar/setup/shipped.o: $(wildcard templates/*.mustache) packaging/debian/segue.ini

build/fuzz/libsegue.a: $(FUZZ_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c build/fuzz/libsegue.a
	$(call say,FUZZ,$@)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $< build/fuzz/libsegue.a $(LDLIBS_)

-include $(FUZZ_OBJS:.o=.d) $(wildcard build/fuzz/fuzz_*.d)

fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/fuzz/corpus/$*
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -artifact_prefix=build/fuzz/ \
	  build/fuzz/corpus/$* $(wildcard tests/fuzz/corpus/$*)

# One test or some: make unit T='decide/*', make e2e T='run_haproxy/*' J=2 (J: how many at a time).
T ?=
J ?= $(shell echo $$(($$(nproc) + 1)))
# What failed is said once more at the end: the tests log much meanwhile.
# The C client of ZooKeeper checks for NULL where AddressSanitizer would end the process.
run_tests = $(if $(SAN),ASAN_OPTIONS=allocator_may_return_null=1 )$(1) -j$(2) $(if $(T),--filter '$(T)') --tap=$(1).tap || { grep -v -E '^(ok |\#|TAP |1\.\.)' $(1).tap; exit 1; }

unit: unit-deps $(BUILD)/unit
	$(call run_tests,$(BUILD)/unit,$(J))

e2e: test-deps $(BUILD)/segue $(BUILD)/e2e $(BUILD)/faults.so
	$(call run_tests,$(BUILD)/e2e,$(J))

check: test-deps $(BUILD)/segue $(BUILD)/unit $(BUILD)/e2e $(BUILD)/faults.so
	$(call run_tests,$(BUILD)/unit,$(J))
	$(call run_tests,$(BUILD)/e2e,$(J))

# Installs nothing: where podman or buildah is missing, its tests count as skipped.
check-containers:
	@tests/containers/run.sh

# What goes where, for install, uninstall and the Debian package alike: MODE:FILE:DESTINATION. systemd looks below
# /usr/local, too, and segue for its configuration nowhere but in /etc.
UNIT_DIR   ?= $(PREFIX)/lib/systemd/system
CONFIG_DIR := /etc/segue
PAGES      := $(wildcard man/*.[157])
UNITS      := $(wildcard packaging/systemd/*.service)
TEMPLATES  := $(wildcard templates/*.mustache)
INSTALLED  := \
  0755:$(BUILD)/segue:$(PREFIX)/bin/segue \
  0755:packaging/systemd/stopped:$(PREFIX)/libexec/segue/stopped \
  0755:packaging/systemd/abandoned:$(PREFIX)/libexec/segue/abandoned \
  0644:packaging/debian/segue.sysusers:$(PREFIX)/lib/sysusers.d/segue.conf \
  0644:packaging/debian/segue.tmpfiles:$(PREFIX)/lib/tmpfiles.d/segue.conf \
  0644:packaging/debian/segue.README.Debian:$(PREFIX)/share/doc/segue/README.Debian \
  0644:packaging/bash-completion/segue:$(PREFIX)/share/bash-completion/completions/segue \
  0644:packaging/segue.ini:$(PREFIX)/share/segue/segue.ini \
  $(foreach u,$(UNITS),0644:$(u):$(UNIT_DIR)/$(notdir $(u))) \
  $(foreach p,$(PAGES),0644:$(p):$(PREFIX)/share/man/man$(subst .,,$(suffix $(p)))/$(notdir $(p))) \
  $(foreach t,$(TEMPLATES) $(wildcard templates/cookbook/*.mustache),0644:$(t):$(PREFIX)/share/segue/$(t))
# What an administrator edits: a file that is there stays as it is, and is not uninstalled.
KEPT       := \
  0644:packaging/debian/segue.ini:$(CONFIG_DIR)/segue.ini \
  $(foreach t,$(TEMPLATES),0644:$(t):$(CONFIG_DIR)/$(t))
OWN_DIRS   := $(addprefix $(PREFIX)/,libexec/segue share/segue/templates/cookbook share/segue/templates share/segue share/doc/segue)

install: $(BUILD)/segue
	$(Q)set -e; for i in $(INSTALLED) $(KEPT); do IFS=:; set -- $$i; to="$(DESTDIR)$$3"; \
	  case $$3 in $(CONFIG_DIR)/*) [ ! -e "$$to" ] || { echo "  KEPT   $$to"; continue; } ;; esac; \
	  install -D -m "$$1" "$$2" "$$to"; \
	  case $$2 in packaging/systemd/*) sed -i 's,/usr/\(bin/segue\|libexec\|share/doc\),$(PREFIX)/\1,' "$$to" ;; esac; done
	@[ -n "$(DESTDIR)" ] || printf '%s\n' \
	  'segue is installed, and nothing runs yet. Next, as root:' \
	  '  systemd-sysusers $(PREFIX)/lib/sysusers.d/segue.conf && systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/segue.conf' \
	  '  systemctl daemon-reload' \
	  '  segue init haproxy      (or pgbouncer: it says what is left to do)'

# The user segue, /etc/segue and /var/lib/segue stay: they are the administrator's.
uninstall:
	$(Q)for i in $(INSTALLED); do rm -f "$(DESTDIR)$${i##*:}" || exit 1; done
	$(Q)for d in $(OWN_DIRS); do [ ! -d "$(DESTDIR)$$d" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$d"; done

# build/segue_VERSION-1_ARCH.deb, from a tree of its own, as a debian/ at the top would be in everybody's way. Its time
# stamps are the changelog's, so that the same sources make the same package.
DEB_TREE := build/deb/segue-$(VERSION)
deb: package-deps
	$(call say,DEB,$(VERSION)-1)
	$(Q)rm -rf build/deb && mkdir -p $(DEB_TREE)
	$(Q)cp -r Makefile LICENSE CHANGELOG.md include sidecar publisher man templates packaging $(DEB_TREE)
	$(Q)cp -r packaging/debian $(DEB_TREE)/debian
	$(Q)sed 's/@VERSION@/$(VERSION)/' packaging/debian/changelog.in >$(DEB_TREE)/debian/changelog
	$(Q)cd $(DEB_TREE) && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS='nocheck parallel=2' \
	  dpkg-buildpackage -us -uc -b >../build.log 2>&1 || { tail -n 30 ../build.log; exit 1; }
	$(Q)cp build/deb/segue_*.deb build/ && ls build/segue_*.deb

# The programs on the lab that are no tests: they run the segue beside them.
$(BUILD)/demo: $(call obj,$(DEMO_SRCS))
$(BUILD)/bench: $(call obj,$(BENCH_SRCS))
$(BUILD)/soak: $(call obj,$(SOAK_SRCS))
$(BUILD)/chaos: $(call obj,$(CHAOS_SRCS))
$(BUILD)/demo $(BUILD)/bench $(BUILD)/soak $(BUILD)/chaos: $(BUILD)/liblab.a $(BUILD)/libsegue.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS_) -lpq

-include $(patsubst %.o,%.d,$(call obj,$(DEMO_SRCS) $(BENCH_SRCS) $(SOAK_SRCS) $(CHAOS_SRCS)))

demo: test-deps $(BUILD)/demo $(BUILD)/segue
	@$(BUILD)/demo templates

bench: test-deps $(BUILD)/bench $(BUILD)/segue
	@$(BUILD)/bench $(BENCH_ARGS)

# SOAK_SEED repeats a run, as far as chance allows.
SOAK_CHANGES ?= 10000
soak: test-deps $(BUILD)/soak $(BUILD)/segue
	@$(BUILD)/soak $(SOAK_CHANGES) $(SOAK_SEED)

# The same seed chooses the same faults again. CHAOS_FAULTS takes the named ones only.
MINUTES ?= 5
chaos: test-deps $(BUILD)/chaos $(BUILD)/segue
	@$(BUILD)/chaos '$(SEED)' $(MINUTES)

clean:
	$(Q)rm -rf build
