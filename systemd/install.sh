#!/bin/sh
# Installs the instrument on this machine, so that it plays whenever the machine has power.
# Can be run again at any time: to upgrade, or for nothing at all. A power cut in the middle
# leaves what was installed before.
set -eu
umask 022
cd "$(dirname "$0")/.."

PREFIX=/opt/latent-resonance
CURRENT=$PREFIX/current # a link to one of the releases
STATE=/var/lib/latent-resonance
SETTINGS=/etc/latent-resonance/latent-resonance.yaml
COMMAND=/usr/local/bin/latent-resonance
UNITS=/etc/systemd/system
NAMES="latent-resonance.target latent-resonance-eye.service latent-resonance-voice.service"
MONITOR=latent-resonance-monitor.service
SCREEN=latent-resonance-screen.service
TOKEN=/etc/latent-resonance/monitor-token
GROUP=latent-resonance
SCREEN_USER=latent-resonance-screen
PACKAGES="python3 python3-venv ca-certificates libportaudio2"
IMPORTED="cv2, onnxruntime, sounddevice"
WAIT="-o DPkg::Lock::Timeout=300" # s; another apt may be at work, as after the first boot

usage() {
    cat <<'END'
Usage: sudo systemd/install.sh [--monitor | --screen | --uninstall [--purge]]

  (nothing)      install or upgrade, start, and start again with every boot
  --monitor      the picture and the staff's page too, on http://127.0.0.1:8765
  --screen       that, and the picture on this machine's screen from the boot on
  --uninstall    take all of it away but the settings
  --purge        the settings too

It installs Debian packages with apt-get, the program with the packs and its own Python
packages in /opt/latent-resonance, the settings in /etc/latent-resonance (left as they are if
there are any), the command latent-resonance, the group latent-resonance and three units of
systemd; the monitor is a fourth and the screen a fifth, with a user of its own. Once installed
they are upgraded with the rest. What quality the machine is fit for is kept in /var/lib/latent-resonance. It needs the
network; the instrument does not, ever.
END
}

say() {
    echo "install: $*" >&2
}

give_up() {
    say "$*"
    exit 1
}

# What was asked for, now or before.
choose_parts() {
    case $1 in
    screen) parts="monitor screen" ;;
    *) parts=$1 ;;
    esac
    [ ! -e "$UNITS/$MONITOR" ] || parts="monitor $parts"
    [ ! -e "$UNITS/$SCREEN" ] || parts="screen $parts"
    ! wants monitor || IMPORTED="$IMPORTED, latent_resonance.monitor.app"
    if wants screen; then
        PACKAGES="$PACKAGES cage chromium xwayland fonts-dejavu-core"
    fi
}

wants() {
    case " $parts " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
    esac
}

check_root() {
    [ "$(id -u)" -eq 0 ] || give_up "not root; run: sudo systemd/install.sh"
}

check_machine() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        give_up "this is no Debian, Raspberry Pi OS or Ubuntu: install what these hold and follow" \
            "this script by hand: $PACKAGES systemd"
    fi
    if grep -qs 'overlayroot=tmpfs' /proc/cmdline; then
        give_up "the root is read-only, so all would be gone after a reboot; first run:" \
            "sudo raspi-config nonint do_overlayfs 1; sudo reboot"
    fi
    command -v systemctl >/dev/null || give_up "no systemd here, which is what starts the instrument"
}

# On aarch64 MediaPipe needs ARMv8.1's atomics, on every core; where they lack the light tracker sees.
can_run_mediapipe() {
    [ "$(uname -m)" != aarch64 ] ||
        ! grep '^Features' "${CPUINFO:-/proc/cpuinfo}" | grep -qvw atomics
}

choose_tracker() {
    if can_run_mediapipe; then
        PACKAGES="$PACKAGES libegl1 libgles2" # its library is linked to them
        IMPORTED="$IMPORTED, mediapipe"
    else
        say "this processor cannot run MediaPipe, so faces are seen without it"
        export UV_NO_GROUP=mediapipe
    fi
}

missing_packages() {
    for package in $PACKAGES; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=missing
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

bring_packages() {
    lacking=$(missing_packages)
    [ -n "$lacking" ] || return 0
    say "installing $lacking"
    # WAIT and lacking are several words each
    # shellcheck disable=SC2086
    apt-get -q $WAIT update >&2 || say "going on with the package lists there are"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -q -y $WAIT --no-install-recommends install $lacking >&2 ||
        give_up "apt-get could not install these; see its reason above: $lacking"
}

bring_uv() {
    PATH="$PREFIX/tools/bin:$PATH"
    export PATH
    if uv cache dir >/dev/null 2>&1; then # fails too if uv is older than pyproject.toml asks for
        return
    fi
    say "installing uv into $PREFIX/tools"
    python3 -m venv "$PREFIX/tools"
    "$PREFIX/tools/bin/python" -m pip install --quiet --upgrade uv
}

# A Python that every user can run; uv's own only where the system's is too old (Ubuntu 22.04).
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

# The same for the same files, so that installing again does nothing.
name_release() {
    {
        "$1" --version
        echo "$IMPORTED"
        git_free_files | sort | xargs -d '\n' cat
    } | sha256sum | cut -c 1-16
}

git_free_files() {
    echo uv.lock
    find runtime models docs/install.md systemd/screen -type f ! -name '*.pyc' ! -path '*/.*'
}

bring_program() {
    python=$(choose_python)
    release=$PREFIX/releases/$(name_release "$python")
    if [ ! -e "$release/complete" ]; then
        say "installing into $release"
        rm -rf "$release"
        mkdir -p "$release"
        cp -R models docs/install.md systemd/screen "$release"
        extra=
        ! wants monitor || extra="--extra=monitor"
        UV_PROJECT_ENVIRONMENT="$release/.venv" UV_LINK_MODE="${UV_LINK_MODE:-copy}" \
            uv sync --quiet --frozen --no-editable --no-dev --reinstall-package latent-resonance \
            ${extra:+"$extra"} --python "$python"
        compile_program
        sync # to the disk, before the mark that says so
        touch "$release/complete"
    fi
    ln -sfn "$release" "$CURRENT.new"
    mv -T "$CURRENT.new" "$CURRENT"
}

# Byte code of what the instrument imports, since nobody may write it later: found by importing.
compile_program() {
    for part in "import latent_resonance.voice.main, latent_resonance.doctor" \
        "import $IMPORTED"; do
        reason=$("$release/.venv/bin/python" -W ignore -c "$part" 2>&1) ||
            give_up "what was installed cannot run (${reason##*
}); what was there before is still in use"
    done
}

forget_older_programs() {
    for release in "$PREFIX"/releases/*; do
        [ "$release" = "$(readlink "$CURRENT")" ] || rm -rf "$release"
    done
}

bring_settings() {
    [ ! -e "$SETTINGS" ] || return 0
    mkdir -p "$(dirname "$SETTINGS")"
    cp systemd/latent-resonance.yaml "$SETTINGS.new"
    mv "$SETTINGS.new" "$SETTINGS"
}

bring_command() {
    cat >"$COMMAND.new" <<END
#!/bin/sh
export LATENT_RESONANCE_MODELS="\${LATENT_RESONANCE_MODELS:-$CURRENT/models}"
exec $CURRENT/.venv/bin/latent-resonance "\$@"
END
    chmod 755 "$COMMAND.new"
    mv "$COMMAND.new" "$COMMAND"
}

# What the staff's controls ask for: made once, and root's.
bring_token() {
    if wants monitor && [ ! -e "$TOKEN" ]; then
        (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$TOKEN.new")
        mv "$TOKEN.new" "$TOKEN"
    fi
}

bring_units() {
    getent group "$GROUP" >/dev/null || groupadd --system "$GROUP"
    ! wants monitor || NAMES="$NAMES $MONITOR"
    if wants screen; then
        NAMES="$NAMES $SCREEN"
        getent passwd "$SCREEN_USER" >/dev/null ||
            useradd --system --home-dir "/var/lib/$SCREEN_USER" --groups video,render "$SCREEN_USER"
    fi
    for unit in $NAMES; do
        cp "systemd/$unit" "$UNITS/$unit.new"
        mv "$UNITS/$unit.new" "$UNITS/$unit"
    done
    # shellcheck disable=SC2086 # several units
    systemctl --quiet enable $NAMES
}

# What this machine is fit for, once; `sudo latent-resonance bench quality` asks again.
choose_quality() {
    [ -d /run/systemd/system ] || return 0 # not booted: an image is being made, for who knows what
    [ ! -e "$STATE/quality" ] || return 0
    systemctl --quiet stop latent-resonance.target 2>/dev/null || true # it needs the machine to itself
    say "measuring what quality this machine is fit for"
    "$COMMAND" bench quality --seconds 1 >&2 || say "it plays at the highest quality, unmeasured"
}

start() {
    [ -d /run/systemd/system ] || return 0
    systemctl daemon-reload
    systemctl --no-block restart latent-resonance.target
}

install() {
    check_root
    choose_parts "$1"
    choose_tracker
    check_machine
    bring_packages
    bring_uv
    bring_program
    bring_settings
    bring_token
    bring_command
    bring_units
    choose_quality
    start
    forget_older_programs
    sync
    say "done; it plays now and after every boot. Settings: $SETTINGS. To see how it is:"
    say "systemctl status 'latent-resonance*'; sudo latent-resonance doctor"
    ! wants monitor || say "the staff's page is http://127.0.0.1:8765/staff; its token is in $TOKEN"
}

uninstall() {
    NAMES="$NAMES $MONITOR $SCREEN"
    check_root
    check_machine
    if [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2086 # several units
        systemctl --quiet stop $NAMES 2>/dev/null || true # what was never there is stopped
    fi
    # shellcheck disable=SC2086
    systemctl --quiet disable $NAMES 2>/dev/null || true
    for unit in $NAMES; do
        rm -rf "${UNITS:?}/$unit"
    done
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    rm -rf "$PREFIX" "$COMMAND" "$STATE" "/var/lib/$SCREEN_USER" \
        /var/lib/latent-resonance-monitor /var/lib/private/latent-resonance-monitor
    ! getent passwd "$SCREEN_USER" >/dev/null || userdel "$SCREEN_USER"
    ! getent group "$GROUP" >/dev/null || groupdel "$GROUP"
    if [ "$1" = purge ]; then
        rm -rf "$(dirname "$SETTINGS")"
        say "all of it is gone, the settings too"
    else
        say "gone; $SETTINGS is left as it was (--purge takes that too)"
    fi
}

case "$*" in
"") install "" ;;
--monitor) install monitor ;;
--screen) install screen ;;
--uninstall) uninstall keep ;;
"--uninstall --purge" | "--purge --uninstall" | --purge) uninstall purge ;;
-h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
