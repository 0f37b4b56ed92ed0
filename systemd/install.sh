#!/bin/sh
# Installs the instrument on this machine and starts it at every boot.
# It can be run again at any time, to upgrade or without effect. A power cut during the
# installation leaves the previous version in place.
set -eu
umask 022
cd "$(dirname "$0")/.."
# shellcheck disable=SC1091 # checked by itself
. systemd/remedies.sh

PREFIX=/opt/latent-resonance
CURRENT=$PREFIX/current # symbolic link to a release
PREVIOUS=$PREFIX/previous # to the one before
STATE=/var/lib/latent-resonance
PACKS=/srv/packs # packs that were added; also in the units
SETTINGS=/etc/latent-resonance/latent-resonance.yaml
COMMAND=/usr/local/bin/latent-resonance
UNITS=/etc/systemd/system
WATCHDOG=/etc/systemd/system.conf.d/latent-resonance.conf
WATCHDOG_S=15 # a Raspberry Pi's hardware counts 16 s at most
QUALITY=latent-resonance-quality.service
NAMES="latent-resonance.target latent-resonance-eye.service latent-resonance-voice.service $QUALITY"
MONITOR=latent-resonance-monitor.service
SCREEN=latent-resonance-screen.service
MAINTENANCE="latent-resonance-maintenance.path latent-resonance-maintenance.service"
TOKEN=/etc/latent-resonance/monitor-token
SIGNERS=/etc/latent-resonance/allowed_signers # as for ssh-keygen; if it exists, signed tags must match
GROUP=latent-resonance
SCREEN_USER=latent-resonance-screen
PACKAGES="python3 python3-venv ca-certificates libportaudio2"
IMPORTS="cv2, onnxruntime, sounddevice"
READY_S=60 # after which a new version that does not play is replaced by the previous one
WAIT="-o DPkg::Lock::Timeout=300" # s; another apt may be running, as after the first boot

usage() {
    cat <<'END'
Usage: sudo systemd/install.sh [--monitor | --screen | --rollback | --uninstall [--purge]]

  (no option)    install or upgrade, start now and at every boot
  --monitor      also install the web pages on http://127.0.0.1:8765
  --screen       also install the monitor, and show the spectrogram on this machine's screen
  --rollback     go back to the version before the last upgrade, and, again, forward
  --uninstall    remove everything except the settings
  --purge        also remove the settings

It installs Debian packages with apt-get, the program with its packs and Python packages in
/opt/latent-resonance, the settings in /etc/latent-resonance (existing ones stay unchanged),
the command latent-resonance, the folder /srv/packs for packs of your own (which stays), the group
latent-resonance and four systemd units. --monitor adds three units and --screen one more; the
screen has its own user. An upgrade includes them once they are installed. An upgrade that does not
play within a minute is undone. At the first boot of a machine it plays quality low until it has
measured, in the background, what the machine can play (/var/lib/latent-resonance).
Installation needs the network; the instrument does not.
END
}

log() {
    echo "install: $*" >&2
}

fail() {
    log "$*"
    exit 1
}

# The optional parts that are requested now or already installed.
choose_parts() {
    case $1 in
    screen) parts="monitor screen" ;;
    *) parts=$1 ;;
    esac
    [ ! -e "$UNITS/$MONITOR" ] || parts="monitor $parts"
    [ ! -e "$UNITS/$SCREEN" ] || parts="screen $parts"
    ! includes monitor || IMPORTS="$IMPORTS, latent_resonance.monitor.app"
    if includes screen; then
        PACKAGES="$PACKAGES cage chromium xwayland fonts-dejavu-core"
    fi
}

includes() {
    case " $parts " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
    esac
}

check_root() {
    [ "$(id -u)" -eq 0 ] || fail "not root; run: sudo systemd/install.sh"
}

check_machine() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        fail "not Debian, Raspberry Pi OS or Ubuntu: install the equivalents of these packages and" \
            "follow this script by hand: $PACKAGES systemd"
    fi
    if grep -qs 'overlayroot=tmpfs' /proc/cmdline; then
        fail "the root file system is an overlay, which a reboot discards; first run:" \
            "sudo raspi-config nonint do_overlayfs 1; sudo reboot"
    fi
    command -v systemctl >/dev/null || fail "systemd is missing, which starts the instrument"
}

check_prefix() {
    mkdir -p "$PREFIX" 2>/dev/null || true
    [ -w "$PREFIX" ] ||
        fail "$PREFIX cannot be written, as on a read-only system; run: sudo mount -o remount,rw /"
}

# A signed tag with a false signature is refused, and one of an unknown key if SIGNERS exists.
verify_tag() {
    command -v git >/dev/null || return 0
    tag=$(trusting_git describe --exact-match 2>/dev/null) || return 0 # no checkout, or no tag
    trusting_git cat-file tag "$tag" | grep -q '^-----BEGIN .*SIGNATURE-----' || return 0
    if report=$(trusting_git verify-tag --raw "$tag" 2>&1); then
        log "the signature of $tag is valid"
    elif [ -e "$SIGNERS" ] || echo "$report" | grep -qi 'BADSIG\|incorrect signature'; then
        fail "the signature of $tag is not valid ($report); fetch the program anew, or correct $SIGNERS"
    else
        log "$tag is signed, by a key that this machine does not know; to have it verified, write $SIGNERS"
    fi
}

# Root may read a checkout of another user.
trusting_git() {
    git -c safe.directory="$PWD" -c gpg.ssh.allowedSignersFile="$SIGNERS" "$@"
}

# On aarch64 MediaPipe needs ARMv8.1 atomics on every core, and runs on request only.
can_run_mediapipe() {
    [ "$(uname -m)" != aarch64 ] ||
        ! grep '^Features' "${CPUINFO:-/proc/cpuinfo}" | grep -qvw atomics
}

choose_tracker() {
    [ "$(uname -m)" != aarch64 ] || IMPORTS="$IMPORTS, ai_edge_litert.interpreter"
    if can_run_mediapipe; then
        PACKAGES="$PACKAGES libegl1 libgles2" # linked by its library
        IMPORTS="$IMPORTS, mediapipe"
    else
        log "this processor cannot run MediaPipe; leaving it out"
        export UV_NO_GROUP=mediapipe
    fi
}

# Where uv keeps what it downloads: removed afterwards, unless the caller chose it.
choose_cache() {
    cache=
    if [ -z "${UV_CACHE_DIR:-}" ]; then
        cache=$PREFIX/cache
        export UV_CACHE_DIR="$cache"
    fi
}

missing_packages() {
    for package in $PACKAGES; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=missing
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

install_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    log "installing $missing"
    # WAIT and missing are lists of words
    export DEBIAN_FRONTEND=noninteractive
    dpkg --configure -a >&2 || true # after a power cut in the middle of an installation
    # shellcheck disable=SC2086
    reported apt-get -q $WAIT update ||
        log "apt-get update failed, so the existing package lists are used: $(reason)"
    # shellcheck disable=SC2086
    reported apt-get -q -y $WAIT --no-install-recommends install $missing ||
        fail "apt-get could not install these packages: $missing($(reason))"
}

install_uv() {
    PATH="$PREFIX/tools/bin:$PATH"
    export PATH
    if uv cache dir >/dev/null 2>&1; then # also fails if uv is older than pyproject.toml requires
        return
    fi
    log "installing uv into $PREFIX/tools"
    installing python3 -m venv "$PREFIX/tools"
    installing "$PREFIX/tools/bin/python" -m pip install --quiet --require-hashes --requirement systemd/uv.txt
}

# A Python that every user can run; uv's own only if the system's is too old (Ubuntu 22.04).
choose_python() {
    for python in /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 /usr/bin/python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    export UV_PYTHON_INSTALL_DIR="$PREFIX/python"
    uv python install --quiet 3.13
    uv python find --managed-python 3.13
}

# A hash of the installed files, so that installing them again has no effect.
name_release() {
    {
        "$1" --version
        echo "$IMPORTS"
        program_files | sort | xargs -d '\n' cat
    } | sha256sum | cut -c 1-16
}

program_files() {
    echo uv.lock
    find runtime models docs/install.md systemd -type f ! -name install.sh ! -name '*.pyc' ! -path '*/.*'
}

install_program() {
    python=$(choose_python)
    release=$PREFIX/releases/$(name_release "$python")
    if [ ! -e "$release/complete" ]; then
        log "installing into $release"
        rm -rf "$release"
        mkdir -p "$release"
        cp -R models docs/install.md systemd/screen "$release"
        mkdir "$release/units"
        cp systemd/*.service systemd/*.target systemd/*.path "$release/units"
        extra=
        ! includes monitor || extra="--extra=monitor"
        export UV_PROJECT_ENVIRONMENT="$release/.venv" UV_LINK_MODE="${UV_LINK_MODE:-copy}" \
            HATCH_BUILD_NO_HOOKS=1 # the models are copied with the packs made here
        installing uv sync --quiet --frozen --no-dev --no-install-workspace \
            ${extra:+"$extra"} --python "$python"
        install_runtime
        compile_program
        sync # to the disk, before the release is marked as complete
        touch "$release/complete"
    fi
    before=$(readlink "$CURRENT" || true)
    if [ -n "$before" ] && [ "$before" != "$release" ]; then
        point "$PREVIOUS" "$before"
        switched=yes
    fi
    point "$CURRENT" "$release"
}

# Built by the hatchling of build.txt.
install_runtime() {
    installing uv build --quiet --wheel --python "$python" --out-dir "$release/wheel" \
        --build-constraints systemd/build.txt --require-hashes runtime
    installing uv pip install --quiet --no-deps --python "$release/.venv/bin/python" \
        "$release"/wheel/*.whl
    rm -rf "$release/wheel"
}

# A step of the installation; nothing that is in use has been changed before its end.
installing() {
    reported "$@" || fail "the installation stopped, and nothing has changed: $(reason)"
}

# Make a symbolic link, or change it, at once.
point() {
    ln -sfn "$2" "$1.new"
    mv -T "$1.new" "$1"
}

# Compile to byte code by importing, since the units cannot write it later.
compile_program() {
    for part in "import latent_resonance.voice.main, latent_resonance.doctor" \
        "import $IMPORTS"; do
        reason=$("$release/.venv/bin/python" -W ignore -c "$part" 2>&1) ||
            fail "the new version cannot run (${reason##*
}); the previous one is still in use"
    done
}

remove_old_releases() {
    for release in "$PREFIX"/releases/*; do
        case $release in
        "$(readlink "$CURRENT")" | "$(readlink "$PREVIOUS")") ;;
        *) rm -rf "$release" ;;
        esac
    done
}

# What uv has downloaded, some 600 MB; after a failure it is kept for the next attempt.
remove_cache() {
    [ -z "$cache" ] || rm -rf "$cache"
}

install_settings() {
    [ ! -e "$SETTINGS" ] || return 0
    mkdir -p "$(dirname "$SETTINGS")"
    cp systemd/latent-resonance.yaml "$SETTINGS.new"
    mv "$SETTINGS.new" "$SETTINGS"
}

install_command() {
    cat >"$COMMAND.new" <<END
#!/bin/sh
export LATENT_RESONANCE_MODELS="\${LATENT_RESONANCE_MODELS:-$CURRENT/models}"
export LATENT_RESONANCE_PACKS="\${LATENT_RESONANCE_PACKS:-$PACKS}"
exec $CURRENT/.venv/bin/latent-resonance "\$@"
END
    chmod 755 "$COMMAND.new"
    mv "$COMMAND.new" "$COMMAND"
}

# Packs that the machine's owner adds; never removed, since they may be the only copies.
report_packs() {
    mkdir -p "$PACKS"
    "$COMMAND" packs list >&2 || log "the packs in $PACKS could not be listed; run: latent-resonance packs verify"
}

# The token for the staff's controls; created once, readable by root only.
create_token() {
    if includes monitor && [ ! -e "$TOKEN" ]; then
        (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$TOKEN.new")
        mv "$TOKEN.new" "$TOKEN"
    fi
}

install_units() {
    getent group "$GROUP" >/dev/null || groupadd --system "$GROUP"
    ! includes monitor || NAMES="$NAMES $MONITOR $MAINTENANCE"
    if includes screen; then
        NAMES="$NAMES $SCREEN"
        getent passwd "$SCREEN_USER" >/dev/null ||
            useradd --system --home-dir "/var/lib/$SCREEN_USER" --groups render "$SCREEN_USER"
        # Version 0.2.0 put it into the group of the cameras.
        ! id -nG "$SCREEN_USER" | grep -qw video || gpasswd --delete "$SCREEN_USER" video >/dev/null
        limit_screen
    fi
    copy_units
    # shellcheck disable=SC2086 # several units
    systemctl --quiet enable $NAMES
}

# PAM moves the display's processes from the unit's control group to that of a session.
limit_screen() {
    limits=$(screen_limits)
    mkdir -p "${limits%/*}"
    cp systemd/screen-slice.conf "$limits.new"
    mv "$limits.new" "$limits"
}

screen_limits() {
    echo "$UNITS/user-$(id -u "$SCREEN_USER").slice.d/latent-resonance.conf"
}

# The hardware restarts a machine whose kernel, or systemd, no longer runs; from the next boot on.
install_watchdog() {
    mkdir -p "$(dirname "$WATCHDOG")"
    printf '[Manager]\nRuntimeWatchdogSec=%s\n' "$WATCHDOG_S" >"$WATCHDOG.new"
    mv "$WATCHDOG.new" "$WATCHDOG"
}

# The units of the release in use; those of releases before 0.3 are not kept.
copy_units() {
    for unit in $NAMES; do
        [ -e "$CURRENT/units/$unit" ] || continue
        cp "$CURRENT/units/$unit" "$UNITS/$unit.new"
        mv "$UNITS/$unit.new" "$UNITS/$unit"
    done
}

start() {
    [ -d /run/systemd/system ] || return 0
    systemctl daemon-reload
    systemctl --no-block restart latent-resonance.target
}

# Whether eye and voice are ready, which the voice is once its samples are played, and stay so.
plays() {
    steady=0
    for _ in $(seq "$READY_S"); do
        sleep 1
        if systemctl --quiet is-active latent-resonance-voice.service &&
            systemctl --quiet is-active latent-resonance-eye.service; then
            steady=$((steady + 1))
        else
            steady=0
        fi
        [ "$steady" -lt 3 ] || return 0
    done
    return 1
}

# An upgrade that does not play is undone.
confirm() {
    [ -d /run/systemd/system ] && [ "$switched" = yes ] || return 0
    log "waiting until the new version plays"
    ! plays || return 0
    point "$CURRENT" "$(readlink "$PREVIOUS")"
    rm "$PREVIOUS"
    copy_units
    start
    fail "the new version did not play within $READY_S s; the previous one is in use again." \
        "Why: journalctl -u 'latent-resonance-*' -n 50"
}

roll_back() {
    check_root
    [ -L "$PREVIOUS" ] || fail "there is no previous version: this one is the first, or an upgrade was undone"
    now=$(readlink "$CURRENT")
    point "$CURRENT" "$(readlink "$PREVIOUS")"
    point "$PREVIOUS" "$now"
    for unit in $MONITOR $MAINTENANCE $SCREEN; do
        [ ! -e "$UNITS/$unit" ] || NAMES="$NAMES $unit"
    done
    copy_units
    start
    sync
    log "went back to $(readlink "$CURRENT"); --rollback again goes forward"
}

install() {
    check_root
    switched=no
    choose_cache
    choose_parts "$1"
    choose_tracker
    check_machine
    verify_tag
    install_packages
    check_prefix
    install_uv
    install_program
    remove_cache
    install_settings
    create_token
    install_command
    report_packs
    install_units
    install_watchdog
    start
    confirm
    remove_old_releases
    sync
    log "done; it plays now and after every boot. Settings: $SETTINGS. To check it:"
    log "systemctl status 'latent-resonance*'; sudo latent-resonance doctor"
    suggest_governor
    ! includes monitor || log "the staff page is http://127.0.0.1:8765/staff; its token is in $TOKEN"
}

# A processor that waits for load before it is fast makes the first hops after silence late.
suggest_governor() {
    cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor 2>/dev/null | grep -qx ondemand || return 0
    log "the processor saves power; \`sudo latent-resonance doctor\` says how to set its governor to performance"
}

uninstall() {
    NAMES="$NAMES $MONITOR $MAINTENANCE $SCREEN"
    check_root
    check_machine
    if [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2086 # several units
        systemctl --quiet stop $NAMES 2>/dev/null || true # a unit that is not installed is an error
    fi
    # shellcheck disable=SC2086
    systemctl --quiet disable $NAMES 2>/dev/null || true
    for unit in $NAMES; do
        rm -rf "${UNITS:?}/$unit"
    done
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    rm -rf "$PREFIX" "$COMMAND" "$STATE" "$WATCHDOG" "/var/lib/$SCREEN_USER" \
        /var/lib/latent-resonance-monitor /var/lib/private/latent-resonance-monitor
    rmdir "$PACKS" 2>/dev/null || true # packs in it stay
    if getent passwd "$SCREEN_USER" >/dev/null; then
        rm -f "$(screen_limits)"
        rmdir --ignore-fail-on-non-empty "$(dirname "$(screen_limits)")" 2>/dev/null || true
        userdel "$SCREEN_USER"
    fi
    ! getent group "$GROUP" >/dev/null || groupdel "$GROUP"
    if [ "$1" = purge ]; then
        rm -rf "$(dirname "$SETTINGS")"
        log "removed, including the settings"
    else
        log "removed; $SETTINGS is kept (--purge removes it too)"
    fi
}

case "$*" in
"") install "" ;;
--monitor) install monitor ;;
--screen) install screen ;;
--rollback) roll_back ;;
--uninstall) uninstall keep ;;
"--uninstall --purge" | "--purge --uninstall" | --purge) uninstall purge ;;
-h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
