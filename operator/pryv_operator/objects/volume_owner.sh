# Gives each FOLDER to the user and group USER, unless USER can write to it already.
# Arguments: USER FOLDER...
# It has no dollar sign before a parenthesis or another: Kubernetes would expand them.
user=$1
shift

# The first match decides, as the kernel does: owner, group, others.
writable() {
  [ -n "`find "$1" -prune -user "$user" -perm -u+wx`" ] && return
  [ -n "`find "$1" -prune ! -user "$user" -group "$user" -perm -g+wx`" ] && return
  [ -n "`find "$1" -prune ! -user "$user" ! -group "$user" -perm -o+wx`" ]
}

for folder; do
  writable "$folder" && continue
  echo "$folder: the storage ignores fsGroup; changing the owner to $user"
  # A folder comes after what is in it: what was interrupted begins again.
  chown -R "$user:$user" "$folder" && chmod u+rwx "$folder" && writable "$folder" && continue
  echo "$folder: user $user cannot write to it, and its owner cannot be changed" >&2
  exit 1
done
