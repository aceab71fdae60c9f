# A swarm of two nodes, each an engine with a network, processes and mounts of its own: what the loss of a node does is
# tried there. Sourced by tests/run; name spaces need root. No rules are made, and no network of this machine is touched.
nodes_dir=
nodes_name=pod-$$
nodes_net=10.217.$(($$ % 250))

start_nodes() {
  [ "$(id -u)" -eq 0 ] || { say "no swarm of two nodes: that needs root"; return 0; }
  say "starting a swarm of two nodes"
  nodes_dir=$(mktemp -d /tmp/pod-nodes.XXXXXX)
  # What joins them is in a name space, too: the rules of this machine are not asked.
  ip netns add "$nodes_name"
  ip -n "$nodes_name" link add name switch type bridge
  ip -n "$nodes_name" link set dev switch up
  ip link add name "$nodes_name" type veth peer name here netns "$nodes_name"
  ip -n "$nodes_name" link set dev here master switch up
  ip address add "$nodes_net.254/24" dev "$nodes_name"
  ip link set dev "$nodes_name" up
  start_node a 1
  start_node b 2
  local token
  {
    # Silent for a few seconds and it is down. The first one works when a test wants it.
    docker -H "unix://$nodes_dir/a.sock" swarm init --advertise-addr "$nodes_net.1" --availability drain --dispatcher-heartbeat 2s
    token=$(docker -H "unix://$nodes_dir/a.sock" swarm join-token -q worker)
    docker -H "unix://$nodes_dir/b.sock" swarm join --advertise-addr "$nodes_net.2" --token "$token" "$nodes_net.1:2377"
  } >>"$nodes_dir/log" 2>&1 || {
    tail -n 5 "$nodes_dir/log" "$nodes_dir"/?/log >&2
    die "the swarm of two nodes did not start; the lines above are the end of its logs"
  }
  printf '%s' "$nodes_name" >"$nodes_dir/netns"
  printf '%s' "$nodes_net.254" >"$nodes_dir/address"
  export POD_TEST_NODES=$nodes_dir
}

# Its name, and the end of its address.
start_node() {
  local name=$1 netns=$nodes_name-$1 dir=$nodes_dir/$1
  mkdir "$dir"
  ip netns add "$netns"
  ip -n "$nodes_name" link add name "$name" type veth peer name eth0 netns "$netns"
  ip -n "$nodes_name" link set dev "$name" master switch up
  ip -n "$netns" link set lo up
  ip -n "$netns" address add "$nodes_net.$2/24" dev eth0
  ip -n "$netns" link set eth0 up
  # When the first process of a name space is killed, all others are.
  setsid nsenter --net="/run/netns/$netns" unshare --uts --mount --pid --fork --kill-child --mount-proc --propagation private \
    bash -c "echo $name >/proc/sys/kernel/hostname
      dockerd --data-root '$dir/data' --exec-root '$dir/exec' --pidfile '$dir/pid' -H 'unix://$nodes_dir/$name.sock' \
        --iptables=false --ip-masq=false &
      while :; do sleep 1000; done" >"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/unshare"
  for _ in $(seq 120); do
    docker -H "unix://$nodes_dir/$name.sock" version >/dev/null 2>&1 && break
    sleep 0.5
  done
  docker save "$POD_TEST_IMAGE" | docker -H "unix://$nodes_dir/$name.sock" load -q >/dev/null || {
    tail -n 5 "$dir/log" >&2
    die "the engine of node $name did not start; the lines above are the end of its log"
  }
}

stop_nodes() {
  [ -n "$nodes_dir" ] || return 0
  local name pid
  for name in a b; do
    if pid=$(cat "$nodes_dir/$name/unshare" 2>/dev/null); then
      kill -9 "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
    fi
    ip netns delete "$nodes_name-$name" 2>/dev/null || true
  done
  ip link delete dev "$nodes_name" 2>/dev/null || true
  ip netns delete "$nodes_name" 2>/dev/null || true
  # The last processes may need a moment to let go of it.
  for _ in $(seq 50); do
    rm -rf "$nodes_dir" 2>/dev/null && return 0
    sleep 0.1
  done
}
