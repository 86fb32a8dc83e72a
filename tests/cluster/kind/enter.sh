# Usage: enter.sh FOLDER ROOT SOURCE:TARGET…
#
# Makes the Debian in ROOT this process's root (what is written goes to FOLDER/upper), with each
# folder SOURCE visible as TARGET, and runs a container engine in it. Run by engine_process.py in
# namespaces of its own.
folder=$1 debian=$2
shift 2

mkdir -p "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay -o "lowerdir=$debian,upperdir=$folder/upper,workdir=$folder/work" engine "$folder/root"
cd "$folder/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
# After /run and /tmp: the folders may be below them.
for visible in "$@"; do
  mkdir -p "$folder/root${visible#*:}"
  mount --bind "${visible%%:*}" "$folder/root${visible#*:}"
done
mkdir -p lib/modules mnt
[ ! -d /lib/modules ] || mount --bind /lib/modules lib/modules
pivot_root . mnt
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umount -l /mnt

# The control groups, whose roots are those that engine_process.py has created.
if [ "$(cut -d: -f2 /proc/self/cgroup)" = "" ]; then
  mount -t cgroup2 cgroup /sys/fs/cgroup
  # A group with controllers for its children holds no processes of its own.
  mkdir /sys/fs/cgroup/engine
  echo $$ > /sys/fs/cgroup/engine/cgroup.procs
  sed 's/ / +/g; s/^/+/' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
else
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  while IFS=: read -r number controllers place; do
    case $controllers in
      "") name=unified options="" type=cgroup2 ;;
      name=*) name=${controllers#name=} options="-o none,$controllers" type=cgroup ;;
      *) name=$controllers options="-o $controllers" type=cgroup ;;
    esac
    mkdir "/sys/fs/cgroup/$name"
    mount -t $type $options cgroup "/sys/fs/cgroup/$name"
  done < /proc/self/cgroup
fi

ip link set lo up
hostname engine

# Names that the engine does not know do not exist. Without this answer each costs 20 s.
bridge=172.17.0.1
cat > /run/Corefile <<END
.:53 {
  bind $bridge
  template ANY ANY {
    rcode NXDOMAIN
  }
}
END
dockerd --bip $bridge/16 --dns $bridge --add-runtime "fit=$RUNCFIT" --default-runtime fit &
engine=$!
trap 'kill $engine' TERM
(until "$COREDNS" -conf /run/Corefile; do sleep 0.2; done) > /run/coredns.log 2>&1 &
set +e
# A trap interrupts the first wait.
wait $engine
wait $engine
