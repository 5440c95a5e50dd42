#!/bin/bash
# Build Debian's linux-source-6.1 with free_swap_and_cache() as before the fix of CVE-2024-26960, and as shipped; boot both
# under QEMU; see the first one crash and the second one survive. README.md tells more.
set -euo pipefail

die() {
    echo "run.sh: $*" >&2
    exit 1
}

usage() {
    cat <<'USAGE'
run.sh WORKDIR [PART...]    WORKDIR: a folder on a disk with 3 GB free; no space in its name
  crash     unpinned free_swap_and_cache(), no hook, only scheduling: has to crash
  survive   the shipped source, the same load: has to survive           (crash survive: what runs if no PART is named)
  matrix    the kernel with the hooks: six scenarios with the window held open
  traces    the kernel with the hooks records WORKDIR/traces/own-*.csv
  spy       Debian's own kernel, with a probe module, records WORKDIR/traces/debian1cpu-*.csv
Settings: TRIALS=300 SEED=2 (crash, survive), WORKLOADS="order0 fork ..." CPUS=2 (traces), JOBS=2 (make), LIMIT=300 (seconds a boot)
USAGE
}

if [ $# -lt 1 ] || [[ "$1" == -* ]] || [[ "$1" == *" "* ]]; then
    usage >&2
    exit 2
fi
for part in "${@:2}"; do
    if [[ ! "$part" =~ ^(crash|survive|matrix|traces|spy)$ ]]; then
        usage >&2
        die "there is no part $part"
    fi
done
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
shift
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(crash survive)
tarball=${SOURCE:-/usr/src/linux-source-6.1.tar.xz}
tree=$work/linux-source-6.1
build=$work/build
failed=0
SECONDS=0

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

wants() { [[ " ${parts[*]} " == *" $1 "* ]]; }

check_needs() {
    local missing=() pair
    for pair in gcc:gcc make:make flex:flex bison:bison bc:bc xz:xz-utils python3:python3 qemu-system-x86_64:qemu-system-x86; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ -e "$tarball" ] || missing+=(linux-source-6.1)
    [ -e /usr/include/gelf.h ] || missing+=(libelf-dev)
    [ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
    [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
    if wants spy && ! compgen -G "/usr/src/linux-headers-6.1.*-amd64" >/dev/null; then missing+=(linux-headers-amd64); fi
    [ ${#missing[@]} -eq 0 ] || die "missing Debian packages; as root: apt-get install --no-install-recommends ${missing[*]}"
}

prepare() {
    mkdir -p "$work/logs" "$work/traces" "$build"
    if [ ! -e "$work/swapfile.shipped.c" ]; then
        tar xf "$tarball" -C "$work"
        cp "$tree/mm/swapfile.c" "$work/swapfile.shipped.c"
    fi
    gcc -O1 -static -Wall -Wno-unused-result -o "$work/init" "$here"/init/*.c
    gcc -O1 -w -o "$work/gen_init_cpio" "$tree/usr/gen_init_cpio.c"
    initrd "$work/initrd"
    say "linux-source-6.1 $(make -s -C "$tree" kernelversion), init ready"
}

# initrd FILE [MODULE...]: no root is needed, gen_init_cpio writes the device node
initrd() {
    local file=$1 list=$1.list module
    shift
    {
        echo "dir /dev 755 0 0"
        echo "nod /dev/console 600 0 0 c 5 1"
        echo "file /init $work/init 755 0 0"
        for module in "$@"; do echo "file /${module##*/} $module 644 0 0"; done
        if [ $# -gt 0 ]; then
            printf '/%s\n' "${@##*/}" >"$file.modules"
            echo "file /modules.list $file.modules 644 0 0"
        fi
    } >"$list"
    "$work/gen_init_cpio" "$list" | gzip -1 >"$file"
}

# kernel min|orig|hook: all of them in one build folder, since only mm/swapfile.c differs
kernel() {
    local name=$1 log=$work/logs/build-$1.log new=$work/swapfile.$1.c
    [ ! -e "$work/bzImage-$name" ] || return 0
    if [ ! -e "$build/.config" ]; then
        make -s -C "$tree" O="$build" ARCH=x86_64 tinyconfig >"$log" 2>&1
        (cd "$build" && "$tree/scripts/kconfig/merge_config.sh" -m -O . .config "$here/kernel.config") >>"$log" 2>&1
        make -s -C "$build" ARCH=x86_64 olddefconfig >>"$log" 2>&1
    fi
    case $name in
    min) python3 "$here/edit_minimal.py" "$work/swapfile.shipped.c" "$new" ;;
    hook) python3 "$here/edit_hook.py" "$work/swapfile.shipped.c" "$new" && cp "$here"/hook/*.h "$tree/mm/" ;;
    orig) cp "$work/swapfile.shipped.c" "$new" ;;
    esac
    cp "$new" "$tree/mm/swapfile.c"
    make -j"${JOBS:-$(nproc)}" -C "$tree" ARCH=x86_64 O="$build" bzImage >>"$log" 2>&1 || die "the kernel's build failed, see $log"
    cp "$build/arch/x86/boot/bzImage" "$work/bzImage-$name"
    say "kernel $name built"
}

# boot LOG KERNEL INITRD CPUS ARGUMENTS
boot() {
    local log=$work/logs/$1.log state=0
    rm -f "$work/swap.disk" "$work/trace.disk"
    truncate -s 64M "$work/swap.disk"
    truncate -s 96M "$work/trace.disk"
    timeout "${LIMIT:-300}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp "$4" -m 1536 -nodefaults -no-reboot \
        -nographic -serial "file:$log" -kernel "$2" -initrd "$3" \
        -drive "file=$work/swap.disk,if=none,id=d0,format=raw,cache=unsafe" -device virtio-blk-pci,drive=d0 \
        -drive "file=$work/trace.disk,if=none,id=d1,format=raw,cache=unsafe" -device virtio-blk-pci,drive=d1 \
        -append "console=ttyS0 panic=-1 oops=panic kasan_multi_shot nokaslr acpi=noirq $5" </dev/null >/dev/null 2>&1 || state=$?
    if [ $state -eq 124 ]; then say "$1: stopped after ${LIMIT:-300} s"; fi
}

# What the console said: `crash` means a report with free_swap_and_cache() in its call trace.
outcome() {
    if grep -aqE 'BUG: |Oops: ' "$1" && grep -aqE 'free_swap_and_cache' "$1"; then
        echo crash
    elif grep -aq 'RESULT .*SURVIVED' "$1"; then
        echo survive
    else
        echo unclear
    fi
}

# The first report's call trace, in one line; entries with a question mark are stale words of the stack.
call_trace() {
    awk '/Call Trace/ { inside = 1 }
        inside && /<\/TASK>/ { exit }
        inside && !/ \? / && match($0, /[a-z_][a-z_0-9]*\+0x/) {
            name = substr($0, RSTART, RLENGTH - 3)
            if (name ~ /^(__x64_sys_|x64_sys_call|do_syscall_64)/) exit
            if (name !~ /^(dump_stack|show_|print_|kasan_|__asan_)/) line = line (line ? " <- " : "") name
        }
        END { print "           | call trace: " line }' "$1" | cut -c1-260
}

# expect OUTCOME LOG KERNEL CPUS ARGUMENTS
expect() {
    local log=$work/logs/$2.log seen start=$SECONDS
    kernel "$3"
    start=$SECONDS
    boot "$2" "$work/bzImage-$3" "$work/initrd" "$4" "$5"
    seen=$(outcome "$log")
    if [ "$seen" = "$1" ]; then
        say "$2: $seen, as expected, after $((SECONDS - start)) s"
    else
        say "$2: $seen, NOT as expected ($1); see $log"
        failed=1
    fi
    grep -aE 'BUG: |RESULT |swaprace: (W-|S[0-9])' "$log" | tr -d '\r' | cut -c1-150 | head -12 | sed 's/^/           | /' || true
    if [ "$seen" = crash ]; then
        call_trace "$log"
    fi
}

# keep_trace LOG NAME: the guest wrote the rows to its second disk, and their size to its console
keep_trace() {
    local log=$work/logs/$1.log file=$work/traces/$2.csv bytes
    bytes=$(grep -aoE 'trace bytes [0-9]+' "$log" | grep -oE '[0-9]+' || true)
    if [ -z "$bytes" ]; then
        say "$2: no trace; see $log"
        failed=1
        return
    fi
    head -c "$bytes" "$work/trace.disk" >"$file"
    if grep -q '^# lost' "$file"; then
        say "$2: the record was full, rows are missing at the end"
        failed=1
    fi
    say "$2: $(grep -vc '^#' "$file") lines in $file"
}

traces() {
    local name
    kernel hook
    for name in ${WORKLOADS:-order0 fork cont madv thp shmem swapoff random}; do
        boot "trace-$name" "$work/bzImage-hook" "$work/initrd" "${CPUS:-2}" "scen=$name"
        keep_trace "trace-$name" "own-$name"
    done
}

# The kernel that Debian ships, unmodified. Its image may be another than the one that this machine runs.
spy() {
    local headers release root name modules=()
    headers=$(compgen -G "/usr/src/linux-headers-6.1.*-amd64" | sort -V | tail -1)
    release=${headers#/usr/src/linux-headers-}
    root=/
    if [ ! -r "/boot/vmlinuz-$release" ]; then
        root=$work/image
        if [ ! -e "$root/boot/vmlinuz-$release" ]; then
            (cd "$work" && apt-get -q download "linux-image-$release" && dpkg -x "linux-image-${release}_"*.deb "$root") \
                >"$work/logs/image.log" 2>&1 || die "linux-image-$release can't be had, see $work/logs/image.log"
        fi
    fi
    mkdir -p "$work/spy"
    cp "$here"/spy/* "$work/spy/"
    make -s -C "$headers" M="$work/spy" modules >"$work/logs/build-spy.log" 2>&1 || die "see $work/logs/build-spy.log"
    for name in virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev virtio/virtio_pci block/virtio_blk; do
        modules+=("$root/lib/modules/$release/kernel/drivers/$name.ko")
    done
    initrd "$work/initrd-spy" "${modules[@]}" "$work/spy/swapspy.ko"
    say "spy module and $release ready"
    for name in ${WORKLOADS:-order0 fork cont madv thp shmem swapoff random}; do
        boot "spy-$name" "$root/boot/vmlinuz-$release" "$work/initrd-spy" 1 "scen=$name"
        keep_trace "spy-$name" "debian1cpu-$name"
    done
}

check_needs
prepare
for part in "${parts[@]}"; do
    case $part in
    crash)
        expect crash N-unpinned min 2 "scen=N trials=${TRIALS:-300} seed=${SEED:-2}"
        if [ $failed -ne 0 ]; then say "the window is hit by luck: try SEED=3, or TRIALS=1000 LIMIT=900"; fi
        ;;
    survive) expect survive N-shipped orig 2 "scen=N trials=${TRIALS:-300} seed=${SEED:-2}" ;;
    matrix)
        expect crash D1-unpinned hook 3 "scen=D1 unfixed=1 delay=2 ms=3000"
        expect survive D1-shipped hook 3 "scen=D1 unfixed=0 delay=2 ms=3000"
        expect survive A-unpinned hook 3 "scen=A unfixed=1 delay=1 ms=3000"
        expect survive C-unpinned hook 3 "scen=C unfixed=1 delay=1 ms=3000"
        expect survive B4-unpinned hook 3 "scen=B4 unfixed=1 delay=1 ms=3000"
        expect crash C-unpinned-no-grace-period hook 3 "scen=C unfixed=1 delay=1 ms=3000 skip=1"
        ;;
    traces) traces ;;
    spy) spy ;;
    esac
done
if [ $failed -eq 0 ]; then say "all as expected"; else say "NOT all as expected"; fi
exit $failed
