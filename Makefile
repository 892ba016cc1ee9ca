# Thin on purpose: set-up here, everything else in `.venv/bin/backport`.
# Every target may be repeated; what is set up already costs a fraction of a second.

PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/.ready
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What the tool calls, by Debian's names; `backport doctor` says what each is for.
PACKAGES := python3 python3-venv gcc binutils make flex bison bc libc6-dev libelf-dev zlib1g-dev libssl-dev \
	perl clang llvm pkg-config rsync xz-utils zstd lz4 util-linux git iproute2 \
	qemu-system-x86 busybox-static dash ccache dwarves debian-archive-keyring openssh-client gpgv
# What only the tests call, or one option of a command: a signed archive of their own, forms to
# compare with, what proves an export, a browser, the peers of `backport eval`.
TEST_PACKAGES := gnupg bzip2 cpio quilt dpkg-dev rpm chromium chromium-driver patch diffutils wiggle

.PHONY: run test check bench setup packages clean

run: setup
	$(VENV)/bin/backport run netkit
	@echo "kernel.org's 5.15: $(VENV)/bin/backport run netkit --target linux-5.15 (--base TREE for one of your own)"

test check: PACKAGES += $(TEST_PACKAGES)

test: setup
	$(VENV)/bin/python -m pytest -q -n 3 -m "not e2e"
	$(VENV)/bin/python -m pytest -q -m e2e

check: setup
	$(VENV)/bin/ruff check backport tests qemu
	$(VENV)/bin/ruff format --check -q backport tests qemu
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q -n 3 -m "not e2e and not network and not slow"

# Figures, never a verdict: picks in core against git's merge of whole trees, and the resolvers.
bench: setup
	@test -n "$(BACKPORT_BENCH_REPO)" || { echo "make bench: set BACKPORT_BENCH_REPO to a clone with release branches" >&2; exit 2; }
	$(VENV)/bin/backport eval "$(BACKPORT_BENCH_REPO)" --sample $(or $(BACKPORT_BENCH_SAMPLE),500) --seed 1

setup: packages $(READY)

# dpkg answers in milliseconds; apt is asked only for what is really missing.
packages:
	@missing=$$(dpkg-query -W -f '$${Package} $${Status}\n' $(PACKAGES) 2>/dev/null \
	  | awk '$$4 == "installed" { have[$$1] } END { split("$(PACKAGES)", all); \
	    for (i in all) if (!(all[i] in have)) printf "%s ", all[i] }'); \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV)
