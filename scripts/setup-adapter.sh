#!/usr/bin/env bash
# Makes sure of what the library is built and run with: Rust, a C linker and a graphics adapter. Where a Linux system
# has no Vulkan driver it installs Mesa's lavapipe, a driver that runs on the CPU. Does nothing where all is there.
#
#   scripts/setup-adapter.sh [gl] [swiftshader] [mpi]    alone
#   . scripts/setup-adapter.sh && set_up_machine …       from another bash script, with the same arguments
#   . scripts/setup-adapter.sh && set_up_wasm            Rust for browsers, used through `wasm_cargo`
#   . scripts/setup-adapter.sh && set_up_browser         Chromium with its driver, and Node.js
#
# gl: OpenGL ES without a display too (Mesa's llvmpipe), for the tests.
# swiftshader: Google's Vulkan driver for CPUs too, which Chromium brings along, for the tests. VK_ADD_DRIVER_FILES names
# it afterwards. SWIFTSHADER names its .json file where that is in another place, or 'none' to go on without.
# mpi: Open MPI, and libclang for its bindings, for training over processes.
# WGPU_DROPOUT_SETUP=skip installs nothing, for drivers in places that this script does not know.
set -euo pipefail

say() {
    printf 'setup: %s\n' "$@"
}

fail() {
    say "$@" >&2
    exit 1
}

# rustup's folder may not be on the PATH yet, right after its installation.
check_rust() {
    local folder=${CARGO_HOME:-${HOME:-}/.cargo}/bin wanted found
    if ! command -v cargo >/dev/null && [ -x "$folder/cargo" ]; then
        export PATH=$folder:$PATH
    fi
    command -v cargo >/dev/null ||
        fail "there is no cargo, and this is built with Rust." "Install Rust as https://rustup.rs says, then run this again."
    found=$(cargo --version) || fail "cargo does not run. 'rustup default stable' gives it a toolchain."
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../Cargo.toml")
    found=${found#cargo } found=${found%% *}
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
        fail "cargo $found is too old: this needs Rust $wanted. 'rustup update' brings a newer one (https://rustup.rs)."
}

has_library() {
    # Not grep -q: it would end before ldconfig has written all, and pipefail take that for a failure.
    PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | grep -F "$1" >/dev/null
}

has_file() {
    local file
    for file in "$@"; do
        if [ -e "$file" ]; then
            return 0
        fi
    done
    return 1
}

# A Vulkan driver is a library that a .json file names to the loader, libvulkan. Or the user does.
has_vulkan() {
    has_library libvulkan.so.1 && {
        [ -n "${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" ] ||
            has_file {/usr/share,/usr/local/share,/etc,/usr/local/etc,"${HOME:-}/.local/share"}/vulkan/icd.d/*.json
    }
}

# Mesa's llvmpipe is in libgallium, or in swrast_dri.so before Mesa 24.3.
has_gl() {
    has_library libEGL.so.1 && {
        has_library libgallium || has_file /usr/lib{,64,/*-linux-gnu}/dri/swrast_dri.so
    }
}

# The .json file, where Debian, Arch, Fedora and Google's own packages put it.
find_swiftshader() {
    local file
    for file in "${SWIFTSHADER:-}" /usr/lib{,64}/chromium{,-browser}/vk_swiftshader_icd.json \
        /opt/google/chrome/vk_swiftshader_icd.json; do
        if [ -f "$file" ]; then
            echo "$file"
            return
        fi
    done
    return 1
}

has_swiftshader() {
    find_swiftshader >/dev/null
}

# Debian's Rust with the source of its standard library, which can build for any target.
has_rust_src() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/wasm-ld-19 ] && has_file "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library"
}

# CHROMIUM names a browser that is somewhere else.
find_chromium() {
    command -v "${CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome
}

has_mpi() {
    command -v mpirun >/dev/null && command -v mpicc >/dev/null &&
        { has_library libclang || has_file /usr/lib{,64}/libclang*.so* /usr/lib/{llvm-*/lib,*-linux-gnu}/libclang*.so*; }
}

has_chromium() {
    find_chromium >/dev/null
}

has_chromedriver() {
    command -v "${CHROMEDRIVER:-chromedriver}" >/dev/null
}

has_node() {
    command -v node >/dev/null && command -v npm >/dev/null
}

# The packages of a need, as a package manager calls them: packages_for MANAGER NEED
packages_for() {
    case $1:$2 in
    apt-get:linker) echo gcc libc6-dev ;;
    apt-get:vulkan) echo libvulkan1 mesa-vulkan-drivers ;;
    apt-get:gl) echo libegl1 libgl1-mesa-dri ;;
    apt-get:swiftshader) echo chromium-common ;;
    apt-get:mpi) echo openmpi-bin libopenmpi-dev libclang-dev ;;
    apt-get:rust_src) echo rustc-web cargo-web rust-web-src lld-19 ;;
    apt-get:chromium) echo chromium ;;
    apt-get:chromedriver) echo chromium-driver ;;
    apt-get:node) echo nodejs npm ;;
    dnf:linker) echo gcc ;;
    dnf:vulkan) echo vulkan-loader mesa-vulkan-drivers ;;
    dnf:gl) echo mesa-libEGL mesa-dri-drivers ;;
    dnf:swiftshader) echo chromium-common ;;
    dnf:mpi) echo openmpi-devel clang-devel ;;
    dnf:chromium) echo chromium ;;
    dnf:chromedriver) echo chromedriver ;;
    dnf:node) echo nodejs npm ;;
    pacman:linker) echo gcc ;;
    pacman:vulkan) echo vulkan-icd-loader vulkan-swrast ;;
    pacman:gl) echo mesa ;;
    pacman:mpi) echo openmpi clang ;;
    pacman:chromium | pacman:chromedriver | pacman:swiftshader) echo chromium ;;
    pacman:node) echo nodejs npm ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs with the system's package manager: install MANAGER PACKAGE...
install_packages() {
    local manager=$1
    shift
    case $manager in
    apt-get)
        # Another program may hold the lock for a while, as on a machine that has just started.
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
        as_root "${apt[@]}" update || say "apt-get update failed; going on with the package lists that are there"
        as_root "${apt[@]}" install -y --no-install-recommends "$@"
        ;;
    dnf) as_root dnf install -y "$@" ;;
    pacman)
        # Arch knows no partial upgrades: where the package lists are missing or stale, the system comes along.
        as_root pacman -S --noconfirm --needed "$@" || as_root pacman -Syu --noconfirm --needed "$@"
        ;;
    esac
}

# What of the arguments (linker, vulkan, gl …) is missing.
missing() {
    local need
    for need in "$@"; do
        case $need in
        linker) command -v cc >/dev/null || echo "$need" ;;
        *) "has_$need" || echo "$need" ;;
        esac
    done
}

set_up_linux() {
    local needs need manager packages wanted=() skip="WGPU_DROPOUT_SETUP=skip goes on without."
    mapfile -t needs < <(missing "$@")
    if [ ${#needs[@]} -eq 0 ]; then
        return
    fi
    for need in "${needs[@]}"; do
        case $need in
        linker) say "no C linker (cc) found, which Rust needs" ;;
        vulkan) say "no Vulkan driver found: Mesa's lavapipe will do, which runs on the CPU" ;;
        gl) say "no OpenGL ES without a display found, which the tests need: Mesa's llvmpipe will do" ;;
        swiftshader) say "no SwiftShader found, a Vulkan driver that the tests need: Chromium's will do (SWIFTSHADER=none goes on without)" ;;
        mpi) say "no MPI found, over which processes work together: Open MPI will do" ;;
        rust_src) say "Debian's Rust with its source will do" ;;
        chromium) say "no Chromium found, which the tests drive" ;;
        chromedriver) say "no chromedriver found, through which the tests drive Chromium" ;;
        node) say "no Node.js with npm found, which the tests of the page need" ;;
        esac
    done
    for manager in apt-get dnf pacman ''; do
        if [ -n "$manager" ] && command -v "$manager" >/dev/null; then
            break
        fi
    done
    [ -n "$manager" ] ||
        fail "there is no apt-get, dnf or pacman to install it with. Please install it your system's way. $skip"
    for need in "${needs[@]}"; do
        read -ra packages < <(packages_for "$manager" "$need")
        wanted+=("${packages[@]}")
    done
    say "installing ${wanted[*]} with $manager"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "that needs root or sudo, and this is neither. Please have these packages installed. $skip"
        say "through sudo, which may ask for your password"
    fi
    install_packages "$manager" "${wanted[@]}" || fail "$manager failed, see above. $skip"
    mapfile -t needs < <(missing "$@")
    if [ ${#needs[@]} -gt 0 ]; then
        fail "installed, but still not found: ${needs[*]}. $skip"
    fi
    say "done"
}

# set_up_machine [gl] [swiftshader] [mpi]
set_up_machine() {
    local need needs=()
    for need in "$@"; do
        case $need in
        gl | mpi) needs+=("$need") ;;
        swiftshader) [ "${SWIFTSHADER:-}" = none ] || needs+=(swiftshader) ;;
        *) fail "unknown argument: $need. There are 'gl', 'swiftshader' and 'mpi'." ;;
        esac
    done
    check_rust
    case $(uname -s) in
    Linux)
        if [ "${WGPU_DROPOUT_SETUP:-}" != skip ]; then
            set_up_linux linker vulkan "${needs[@]}"
        fi
        case " ${needs[*]} " in
        *' swiftshader '*)
            VK_ADD_DRIVER_FILES=$(find_swiftshader) ||
                fail "there is no SwiftShader. Name its .json file in SWIFTSHADER, or 'none' to go on without."
            export VK_ADD_DRIVER_FILES
            ;;
        esac
        # Mesa complains where it is not set.
        if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
            XDG_RUNTIME_DIR=$(mktemp -d)
            export XDG_RUNTIME_DIR
            trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
        fi
        ;;
    Darwin)
        xcode-select -p >/dev/null 2>&1 ||
            fail "there is no C linker, which Rust needs. 'xcode-select --install' brings Apple's."
        ;;
    esac
}

# Rust's standard library for browsers: rustup brings it. Where rustup is missing or cannot, Debian's Rust builds it.
set_up_wasm() {
    check_rust
    wasm_rust=rustup
    if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
        return
    fi
    if command -v rustup >/dev/null; then
        say "adding the target wasm32-unknown-unknown with rustup"
        if rustup target add wasm32-unknown-unknown; then
            return
        fi
    fi
    command -v apt-get >/dev/null ||
        fail "Rust cannot build for browsers. 'rustup target add wasm32-unknown-unknown' gives it the target."
    say "Rust's target wasm32-unknown-unknown is missing, and rustup cannot add it"
    if [ "${WGPU_DROPOUT_SETUP:-}" != skip ]; then
        set_up_linux rust_src
    fi
    wasm_rust=debian
}

# cargo for browsers: wasm_cargo COMMAND OPTION...
wasm_cargo() {
    if [ "$wasm_rust" = rustup ]; then
        cargo "$@" --target wasm32-unknown-unknown
    else
        # Building the standard library is not in stable Rust yet.
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=/usr/bin/wasm-ld-19 \
            /usr/bin/cargo "$@" --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort
    fi
}

# CHROMIUM and CHROMEDRIVER name the browser and its driver afterwards.
set_up_browser() {
    if [ "$(uname -s)" = Linux ] && [ "${WGPU_DROPOUT_SETUP:-}" != skip ]; then
        set_up_linux chromium chromedriver node
    fi
    CHROMIUM=$(find_chromium) || fail "there is no Chromium or Chrome. Install one, or name its program in CHROMIUM."
    CHROMEDRIVER=$(command -v "${CHROMEDRIVER:-chromedriver}") ||
        fail "there is no chromedriver. Install the browser's version of it, or name it in CHROMEDRIVER."
    has_node || fail "there is no Node.js with npm. Install it (https://nodejs.org)."
    export CHROMIUM CHROMEDRIVER
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set_up_machine "$@"
fi
