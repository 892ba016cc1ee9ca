"""A kernel tree of a few small files whose Makefile answers as kbuild does, in milliseconds.

`compile` reads a source file line by line: `#warning TEXT` and `#error TEXT` come out as gcc says
them, `#nospace` as a full disk, `#needs CONFIG_X=y` as an error where the configuration lacks it.
`olddefconfig` keeps what Kconfig defines, and loses what is listed in the file `refuse`.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 7
SRCS := $(sort $(shell cd $(CURDIR) && find init net -name '*.c'))
OBJS := $(patsubst %.c,$(O)/%.o,$(SRCS))

tinyconfig:
	@mkdir -p $(O); echo tiny >> $(O)/calls
	@printf '%s\\n' 'CONFIG_TINY=y' 'CONFIG_XZ=y' '# CONFIG_GZIP is not set' > $(O)/.config

olddefconfig:
	@echo olddef >> $(O)/calls; nice >> $(O)/niceness
	@sh scripts/olddefconfig $(O)/.config

bzImage: $(O)/arch/x86/boot/bzImage

$(O)/arch/x86/boot/bzImage: $(O)/vmlinux
	@mkdir -p $(@D)
	@echo '  BUILD   arch/x86/boot/bzImage'
	@(echo image; cat $<; echo $$KBUILD_BUILD_TIMESTAMP $$KBUILD_BUILD_USER) > $@

$(O)/vmlinux: $(OBJS)
	@echo '  LD      vmlinux'
	@cat $(OBJS) > $@
	@cp $@ $(O)/System.map

$(O)/%.o: $(CURDIR)/%.c $(O)/.config
	@mkdir -p $(@D)
	@echo '  CC      $*.o'
	@sh $(CURDIR)/scripts/compile $< $@ $(O)/.config

define single
$(1)/%.o: FORCE
	@test -f $(1)/$$*.c || { echo "make[1]: *** No rule to make target '$$@'.  Stop." >&2; exit 2; }
	@$$(MAKE) --no-print-directory $$(O)/$$@
endef
$(foreach dir,init net drivers,$(eval $(call single,$(dir))))

FORCE:
.PHONY: tinyconfig olddefconfig bzImage FORCE
"""

COMPILE = """\
n=0
if [ -n "$SLOW_COMPILER" ]; then echo $$ >> "$SLOW_COMPILER"; sleep 30; fi
while IFS= read -r line; do
    n=$((n + 1))
    case $line in
    '#warning '*) echo "$1:$n:2: warning: ${line#*warning } [-Wcpp]" >&2 ;;
    '#error '*) echo "$1:$n:2: error: ${line#*error }" >&2; rm -f "$2"; exit 1 ;;
    '#needs '*) grep -qx "${line#*needs }" "$3" || { echo "$1:$n:2: error: $line" >&2; exit 1; } ;;
    '#nospace') echo "fatal error: $2: No space left on device" >&2; exit 1 ;;
    esac
done < "$1"
cat "$1" > "$2"
"""

OLDDEFCONFIG = """\
awk '
    function name(line) {
        match(line, /CONFIG_[A-Z0-9_]+/); return substr(line, RSTART + 7, RLENGTH - 7) }
    FILENAME == "Kconfig" { if ($1 == "config") known[$2] = 1; next }
    FILENAME == "refuse" { refused[$1] = 1; next }
    /CONFIG_/ { if (!(name($0) in seen)) order[++count] = name($0); seen[name($0)] = $0 }
    END { for (i = 1; i <= count; i++) { n = order[i]
        if (!(n in known)) continue
        if (n in refused) print "# CONFIG_" n " is not set"; else print seen[n] } }
' Kconfig refuse "$1" > "$1.new"
mv "$1.new" "$1"
"""

KCONFIG = """\
config TINY
	bool
choice
	prompt "Packing"
config GZIP
	bool "gzip"
config XZ
	bool "xz"
endchoice
config NET
	bool "Networking"
config BPF
	bool "BPF"
config VETH
	bool "veth"
	depends on NET && BPF
"""


def make_tree(root: Path) -> Path:
    """Write the tree below `root`; two objects, no warnings, nothing refused."""
    files = {
        "Makefile": MAKEFILE,
        "Kconfig": KCONFIG,
        "refuse": "",
        "scripts/compile": COMPILE,
        "scripts/olddefconfig": OLDDEFCONFIG,
        "init/main.c": "int main;\n",
        "net/dev.c": "int dev;\n",
        "net/dev.h": "int header;\n",
        "kernel/absent.txt": "\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def write_fragment(path: Path, text: str) -> Path:
    """A fragment file with `text`, dedented."""
    path.write_text(textwrap.dedent(text))
    return path
