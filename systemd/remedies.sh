# shellcheck shell=sh
# Why a command failed, in one line with the remedy. Sourced by setup and systemd/install.sh.
#
#   reported COMMAND …    run it; what it prints is shown, and kept in $report
#   reason                from $report: what is wrong, and what to do

report=
trap forget_report EXIT

forget_report() {
    [ -z "$report" ] || rm -f "$report"
}

reported() {
    [ -n "$report" ] || report=$(mktemp)
    status=$({ { if "$@" 2>&1; then echo 0 >&4; else echo $? >&4; fi; } | tee "$report" >&2; } 4>&1)
    return "${status:-1}" # none if it exits the shell
}

reason() {
    if found 'not yet valid|not valid yet|NotValidYet|has expired|CertificateExpired|Expired\('; then
        echo "the clock of this machine says $(date +%F), which a server's certificate or list does not" \
            "agree with; set it: sudo timedatectl set-ntp true"
    elif found 'UnknownIssuer|unknown issuer|CERTIFICATE_VERIFY_FAILED|self.signed|local issuer|certificate verif|CaUsedAsEndEntity'; then
        echo "a server has a certificate of an authority that this machine does not know, as behind" \
            "the proxy of a company; install its certificate (sudo update-ca-certificates), and:" \
            "export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    elif found '407 |proxy authentication'; then
        echo "the proxy needs a password; export https_proxy=http://USER:PASSWORD@HOST:PORT, also as http_proxy"
    elif found 'could not resolve|temporary failure|name or service not known|failed to lookup|dns error|name resolution'; then
        echo "the name of a server cannot be resolved; connect this machine to the network and run this again"
    elif found 'connection refused|timed out|network is unreachable|connection reset|tcp connect|could not connect|no route to host'; then
        echo "a server cannot be reached; check the network (behind a proxy: export https_proxy) and run this again"
    elif found 'no space left|enough free space'; then
        echo "the disk is full, $(df -hP . | awk 'END { print $4 }') are free here; make room, as by: sudo apt-get clean"
    elif found 'read-only file system'; then
        echo "a file system is read-only; write to a copy on another disk, or: sudo mount -o remount,rw /"
    elif found 'permission denied|operation not permitted'; then
        echo "a file belongs to another user; give this folder to yours: sudo chown -R \"\$USER\" $PWD"
    elif found 'could not get lock|unable to (acquire|lock)|is another process'; then
        echo "another program installs packages; wait until it has ended and run this again"
    elif found 'unable to locate package|no installation candidate'; then
        echo "this system does not offer a package; it needs Debian 12, Raspberry Pi OS Bookworm, Ubuntu 24.04 or" \
            "newer, with all its components (Ubuntu: sudo add-apt-repository universe)"
    elif found 'no_pubkey|is not signed|keyexpired|expkeysig|signatures? (were|was) invalid'; then
        echo "a list of packages is not signed by a key that this machine has; sudo apt-get install --reinstall" \
            "debian-archive-keyring, or remove that source from /etc/apt/sources.list.d"
    elif found 'hash sum mismatch|hash mismatch|not match the hash'; then
        echo "a download was damaged, or changed on its way; run this again, on another network if it stays"
    elif found 'unmet dependencies|held broken|broken packages'; then
        echo "installed packages contradict each other; run: sudo apt-get --fix-broken install"
    elif found '404 +not found'; then
        echo "a server no longer has a file; run: sudo apt-get update, and this again"
    elif found '40[13] |no matching distribution'; then
        echo "a server refuses access, or lacks a package; check the index or proxy that UV_* and PIP_* in the environment name"
    elif found 'cannot allocate memory|out of memory|^killed'; then
        echo "the memory is full; stop other programs, or: sudo systemctl restart dphys-swapfile"
    else
        echo "its error is above; correct it and run this again"
    fi
}

found() {
    grep -qiE "$1" "$report"
}
