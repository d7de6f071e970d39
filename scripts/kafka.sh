#!/usr/bin/env bash
# Real Apache Kafka for the tests and the tour: one KRaft node on a free loopback port.
#
#   scripts/kafka.sh fetch     the broker's jars from Maven Central into the home below (once)
#   scripts/kafka.sh start     fetches if need be, starts, waits until it serves; prints `export TIDEMILL_KAFKA=HOST:PORT`
#   scripts/kafka.sh status    prints the same line while it runs; exit 1 if it does not
#   scripts/kafka.sh kill      kills it as a crash would, and keeps its data
#   scripts/kafka.sh restart   kills it if it runs, and starts it again on its data and port; prints the same line
#   scripts/kafka.sh stop      stops it, waits until it is gone, removes its data
#
# eval "$(scripts/kafka.sh start)" sets TIDEMILL_KAFKA in this shell. Standard output has that line only, all else is on
# standard error. TIDEMILL_KAFKA_HOME: where jars and data are kept (default target/kafka). TIDEMILL_KAFKA_RUN: where the
# data is kept (default `run` in the home): one that is elsewhere is another broker's, with the same jars.
# TIDEMILL_KAFKA_PROXY: a port on which the caller will listen: whoever comes by the address that stands in `proxied` of
# the data is sent there from then on. For tests that stand between a client and the broker.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${TIDEMILL_KAFKA_HOME:-$here/../target/kafka}
mkdir -p "$home"
home=$(cd "$home" && pwd)
lib=$home/lib
run=${TIDEMILL_KAFKA_RUN:-$home/run}
deadline_s=60

say() { echo "kafka: $*" >&2; }
die() { say "$*"; exit 1; }

need() {
    command -v "$1" >/dev/null || die "\`$1\` is not installed; on Debian: apt-get install $2"
}

need_java() {
    need java openjdk-17-jre-headless
    local major
    major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 17 ] || die "java is version ${major:-unknown}, Kafka 4 needs 17 or later; on Debian: apt-get install openjdk-17-jre-headless"
}

# The jars are of this version of the pom; another pom fetches again.
stamp() { cksum <"$here/kafka/pom.xml"; }

fetch() {
    if [ -f "$lib/.stamp" ] && [ "$(cat "$lib/.stamp")" = "$(stamp)" ]; then
        return
    fi
    need_java
    need mvn maven
    say "fetching the broker into $lib"
    rm -rf "$lib" "$lib.partial"
    mvn --batch-mode --quiet -f "$here/kafka/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$lib.partial" >&2 ||
        die "Maven could not fetch the broker (see above)"
    stamp >"$lib.partial/.stamp"
    mv "$lib.partial" "$lib"
}

# The broker's process id, if it lives and is ours: a number in a file may have passed to another process meanwhile.
broker() {
    local pid
    pid=$(cat "$run/pid" 2>/dev/null) || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$run/server.properties" || return 1
    echo "$pid"
}

free_port() {
    local port
    while :; do
        # Below the range from which the system hands out ports of its own.
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

jvm() {
    java -cp "$lib/*" "-Dorg.slf4j.simpleLogger.defaultLogLevel=$1" \
        -Dorg.slf4j.simpleLogger.showDateTime=true "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS" "${@:2}"
}

# Makes the data of one broker on ports of its own.
prepare() {
    local port controller proxied=
    port=$(free_port)
    controller=$(free_port)
    [ -z "${TIDEMILL_KAFKA_PROXY:-}" ] || proxied=$(free_port)
    rm -rf "$run"
    mkdir -p "$run"
    {
        cat "$here/kafka/server.properties"
        echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller${proxied:+,PROXIED://127.0.0.1:$proxied}"
        echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port${proxied:+,PROXIED://127.0.0.1:$TIDEMILL_KAFKA_PROXY}"
        echo "controller.quorum.voters=1@127.0.0.1:$controller"
        echo "log.dirs=$run/data"
    } >"$run/server.properties"
    jvm warn kafka.tools.StorageTool format --cluster-id AAAAAAAAAAAAAAAAAAAAAQ \
        --config "$run/server.properties" >"$run/format.out" 2>&1 || { cat "$run/format.out" >&2; return 1; }
    echo "127.0.0.1:$port" >"$run/address"
    [ -z "$proxied" ] || echo "127.0.0.1:$proxied" >"$run/proxied"
}

# Starts the broker that was prepared; 1 if it died, as it does when another process took a port in between.
serve() {
    local pid waited
    # Of a former life it says "started" already.
    rm -f "$run/broker.out"
    # Its own session, so that a Ctrl-C for the shell is not one for the broker.
    (
        cd "$run"
        exec setsid java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true \
            -cp "$lib/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=info -Dorg.slf4j.simpleLogger.showDateTime=true \
            kafka.Kafka "$run/server.properties" >"$run/broker.out" 2>&1 </dev/null
    ) &
    pid=$!
    echo "$pid" >"$run/pid"
    waited=0
    until grep -q "Kafka Server started" "$run/broker.out" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || { tail -n 20 "$run/broker.out" >&2; return 1; }
        [ "$waited" -lt $((deadline_s * 5)) ] || {
            tail -n 20 "$run/broker.out" >&2
            kill_broker
            die "not ready after $deadline_s s"
        }
        sleep 0.2
        waited=$((waited + 1))
    done
}

start() {
    need_java
    fetch
    if broker >/dev/null; then
        status
        return
    fi
    for _ in 1 2 3; do
        if prepare && serve; then
            status
            return
        fi
        say "did not start, trying other ports"
    done
    die "did not start; see $run/broker.out"
}

status() {
    broker >/dev/null && [ -f "$run/address" ] || { say "not running"; return 1; }
    echo "export TIDEMILL_KAFKA=$(cat "$run/address")"
}

kill_broker() {
    local pid
    if pid=$(broker); then
        kill -KILL "$pid"
        while broker >/dev/null; do
            sleep 0.1
        done
        say "killed"
    fi
}

restart() {
    [ -f "$run/server.properties" ] || die "there is no broker to restart in $run"
    kill_broker
    serve || die "did not start again; see $run/broker.out"
    status
}

stop() {
    local pid waited=0
    if pid=$(broker); then
        kill -TERM "$pid"
        while broker >/dev/null; do
            # The data is thrown away: nothing is lost by not waiting for a clean end.
            [ "$waited" -lt 50 ] || kill -KILL "$pid" 2>/dev/null || true
            sleep 0.2
            waited=$((waited + 1))
        done
        say "stopped"
    fi
    rm -rf "$run"
}

case ${1:-} in
    fetch) fetch ;;
    start) start ;;
    kill) kill_broker ;;
    restart) restart ;;
    stop) stop ;;
    status) status ;;
    *) echo "usage: scripts/kafka.sh fetch|start|status|kill|restart|stop" >&2; exit 2 ;;
esac
