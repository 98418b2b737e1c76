#!/bin/sh
# Runs the AVX-512 kernels on a machine without AVX-512, inside the Bochs emulator.
#
#     tools/avx512-in-bochs.sh [--install] [--tests FILTER] [--keep DIR]
#
# Builds crates/kernels/examples/levels as a static program, boots a Linux kernel with nothing but that program in an
# emulated Skylake-X, and lets it compare what every kernel computes with AVX-512 and with AVX2. Then compares the hashes of
# the levels that this machine also has with a run outside the emulator: they prove that the emulated arithmetic is real.
#
#   --install   apt-get install the packages below that are missing (needs root); without it nothing is installed
#   --tests "FILTER ..."  also runs the tests of that name inside, out of those of plusx-kernels and of the engine's
#               `bytes`; "" for all: hours, because the references are f64 loops
#   --keep DIR  works in DIR and leaves everything there; default: a temporary directory
#
# Exit status: 0 equal bytes; 1 not equal, or a test failed; 2 something is missing, does not build, or did not run: what
# was never compared is no success.
# Takes about four minutes of a core, half of them the emulated machine unpacking its kernel.
#
# Debian packages: bochs bochs-term bochsbios isolinux syslinux-common xorriso busybox-static cpio, and a kernel:
# linux-image-amd64 is downloaded and unpacked, never installed (or set KERNEL=/boot/vmlinuz-...).
set -eu

packages="bochs bochs-term bochsbios isolinux syslinux-common xorriso busybox-static cpio"
limit=${LIMIT:-3600} # seconds for the emulated machine; with --tests twelve hours
target=x86_64-unknown-linux-gnu
install= tests= filter= keep=
while [ $# -gt 0 ]; do
    case $1 in
    --install) install=yes ;;
    --tests) tests=yes filter=$2 limit=${LIMIT:-43200} && shift ;;
    --keep) keep=$2 && shift ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 2 ;;
    esac
    shift
done

fail() {
    echo "avx512-in-bochs: $*" >&2
    exit 2
}

missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    [ -n "$install" ] || fail "missing Debian packages:$missing (run with --install, as root)"
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y --no-install-recommends $missing
fi

cd "$(dirname "$0")/.."
if [ -n "$keep" ]; then
    mkdir -p "$keep" && work=$(cd "$keep" && pwd)
else
    work=$(mktemp -d)
fi
emulator=
clean_up() {
    [ -z "$emulator" ] || kill "$emulator" 2>/dev/null || true
    [ -n "$keep" ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 2' INT TERM

# 1. The program, and what this machine says. A target of its own keeps the flag away from build scripts.
export RUSTFLAGS='-C target-feature=+crt-static'
cargo build --release --target "$target" -p plusx-kernels --example levels || fail "the program does not build"
built=$(cargo metadata --format-version 1 --no-deps | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
rm -rf "$work/guest" "$work/iso"
mkdir -p "$work/guest/bin" "$work/guest/proc" "$work/guest/dev" "$work/guest/tests" "$work/iso/isolinux"
cp "$built/$target/release/examples/levels" "$work/guest/levels"
"$work/guest/levels" >"$work/native.txt" || fail "levels of this machine differ: see levels without the emulator first"
if [ -n "$tests" ]; then
    release="--release --target $target"
    # to a file first: a pipe would hide that cargo failed
    # shellcheck disable=SC2086
    {
        cargo test $release -p plusx-kernels --lib --tests --no-run --message-format=json &&
            cargo test $release -p plusx-engine --test bytes --no-run --message-format=json
    } >"$work/built.json" || fail "the tests do not build"
    grep '"test":true' "$work/built.json" | grep -o '"executable":"[^"]*"' | cut -d'"' -f4 >"$work/programs.txt"
    [ -s "$work/programs.txt" ] || fail "cargo built no test"
    while read -r program; do
        cp "$program" "$work/guest/tests/$(basename "$program" | sed 's/-[0-9a-f]*$//')"
    done <"$work/programs.txt"
fi

# 2. A machine with one disc: kernel, and an initramfs of busybox and the program.
if [ -z "${KERNEL:-}" ]; then
    KERNEL=$(find "$work" -path '*/boot/vmlinuz-*' | head -n 1)
    if [ -z "$KERNEL" ]; then
        image=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
        [ -n "$image" ] || fail "no kernel package known: apt-get update, or set KERNEL=vmlinuz"
        (cd "$work" && apt-get -q download "$image" && dpkg -x "$image"_*.deb linux) || fail "no kernel: set KERNEL=vmlinuz"
        KERNEL=$(find "$work" -path '*/boot/vmlinuz-*' | head -n 1)
    fi
fi
cp /bin/busybox "$work/guest/bin/busybox"
cat >"$work/guest/init" <<EOI
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
/bin/busybox grep -m 1 'model name' /proc/cpuinfo
/bin/busybox dmesg | /bin/busybox grep -i xs[at]
/levels avx512
echo "levels exit status: \$?"
for program in /tests/*; do
    [ -x "\$program" ] || continue
    echo "running \$program"
    "\$program" --test-threads 1 $filter
    echo "\$program exit status: \$?"
done
echo "guest: done"
/bin/busybox sleep 3
/bin/busybox poweroff -f
EOI
chmod +x "$work/guest/init"
(cd "$work/guest" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/iso/isolinux/initrd.gz"
cp "$KERNEL" "$work/iso/isolinux/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
# clearcpuid, nopku: Bochs 2.7 misreports the size of the compacted register state; Linux would not believe it and turn AVX off.
cat >"$work/iso/isolinux/isolinux.cfg" <<'EOI'
default linux
prompt 0
label linux
  kernel vmlinuz
  append initrd=initrd.gz console=ttyS0 loglevel=4 clearcpuid=xsavec,xsaves nopku mitigations=off nosmp panic=-1
EOI
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso"

# 3. The emulator. Debian's has the debugger built in, which must be told to continue, and a screen that is a
# pseudo-terminal: it stops when nobody reads that. The guest's console is the serial port, a file here. Power off ends it.
cat >"$work/bochsrc" <<EOI
config_interface: textconfig
display_library: term
megs: 512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/guest.txt
clock: sync=none
panic: action=fatal
error: action=ignore
info: action=ignore
log: $work/bochs.log
EOI
echo c >"$work/continue"
rm -f "$work/guest.txt"
echo "booting; the guest's console is $work/guest.txt"
TERM=linux nice timeout "$limit" bochs -q -f "$work/bochsrc" -rc "$work/continue" \
    </dev/null >"$work/screen.txt" 2>&1 &
emulator=$!
screen=
while [ -z "$screen" ] && kill -0 $emulator 2>/dev/null; do
    sleep 1
    screen=$(sed -n 's/.*connected to screen "\(.*\)".*/\1/p' "$work/screen.txt")
done
[ -z "$screen" ] || cat "$screen" >/dev/null 2>&1 || true &
wait $emulator || true
emulator=
tr -d '\r' <"$work/guest.txt" >"$work/emulated.txt" || fail "the emulated machine did not start: $(tail -n 3 "$work/screen.txt")"
grep -q '^guest: done' "$work/emulated.txt" || fail "the emulated machine did not finish: $(tail -n 3 "$work/emulated.txt")"

# 4. The verdict.
grep -E '^(model name|levels|running|test |[0-9]+ comparisons|/tests)' "$work/emulated.txt"
grep -E '^[0-9a-f]{16} ' "$work/emulated.txt" | grep -v /avx512 | sort >"$work/emulated.shared"
grep -E '^[0-9a-f]{16} ' "$work/native.txt" | grep -v /avx512 | sort >"$work/native.shared"
hashes=$(wc -l <"$work/native.shared")
echo "$hashes hashes of levels that this machine has too"
[ "$hashes" -gt 0 ] || fail "this machine printed no hash to compare with"
grep -qE '^[0-9a-f]{16} [^ ]*/avx512 ' "$work/emulated.txt" || fail "the emulated machine ran no AVX-512 kernel"
if [ -n "$tests" ]; then
    ran=$(grep -cE '^test .* \.\.\. ok' "$work/emulated.txt" || true)
    echo "$ran tests passed inside"
    [ "$ran" -gt 0 ] || fail "no test ran: is there one called '$filter'?"
    ended=$(grep -c '^/tests/.* exit status: ' "$work/emulated.txt" || true)
    programs=$(wc -l <"$work/programs.txt")
    [ "$ended" -eq "$programs" ] || fail "only $ended of $programs test programs came to their end"
fi
status=0
if ! diff "$work/native.shared" "$work/emulated.shared" >"$work/shared.diff"; then
    echo "the emulator computes other values than this machine: $(grep -c '^>' "$work/shared.diff") hashes"
    head -n 10 "$work/shared.diff"
    status=1
fi
grep 'DIFFERS' "$work/emulated.txt" && status=1
grep -q 'levels: .*avx512' "$work/emulated.txt" || status=1
grep 'exit status: [^0]' "$work/emulated.txt" && status=1
[ $status -eq 0 ] && echo "AVX-512 and AVX2 give the same bytes"
exit $status
