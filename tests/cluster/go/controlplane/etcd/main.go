// Command etcd: etcd's server has no command package of its own that a module could name as a tool.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
