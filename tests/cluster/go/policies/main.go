// Command policies enforces NetworkPolicies on its node: kube-network-policies judges the packets
// that new connections of pods send through a queue of netfilter.
//
// kube-network-policies fills that queue by nftables, with a table that it deletes and adds again at
// each change of a pod. With the chain of a table the kernel drops all packets that are queued, and
// some kernels have no queue there at all. So a rule of iptables fills the queue, which stays.
package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const queue = 98

// Longer than the kernel admits (NFT_NAME_MAXLEN): nftables refuses the table, and adds no chain.
var noTable = strings.Repeat("-", 300)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		klog.Fatal(err)
	}
}

func run(ctx context.Context) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	judge := networkpolicy.Config{QueueID: queue, NodeName: os.Getenv("NODE_NAME"), NFTableName: noTable}
	if err := fillQueue(os.Getenv("POD_SUBNET")); err != nil {
		klog.Warningf("nftables fills the queue: %v", err)
		judge.NFTableName = ""
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(),
		nil, nil, nil, nil,
		judge,
	)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}

// fillQueue hands the first packet of each connection from or to a pod to the queue.
//
// After DNAT, before SNAT: the addresses are those of pods. What root on the node sends (probes)
// is exempt, as in kube-network-policies' own rules. Without a listener the packets are dropped.
func fillQueue(podSubnet string) error {
	const chain = "PRYV-POLICIES"
	// Fails if they exist from an earlier start of this container.
	_ = iptables("-N " + chain)
	if iptables("-C POSTROUTING -j "+chain) != nil {
		if err := iptables("-A POSTROUTING -j " + chain); err != nil {
			return err
		}
	}
	verdict := " -j NFQUEUE --queue-num " + strconv.Itoa(queue)
	for _, rule := range []string{
		"-F " + chain,
		"-A " + chain + " -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
		"-A " + chain + " -m owner --uid-owner 0 -j RETURN",
		"-A " + chain + " -s " + podSubnet + verdict,
		"-A " + chain + " -d " + podSubnet + verdict,
	} {
		if err := iptables(rule); err != nil {
			return err
		}
	}
	return nil
}

func iptables(rule string) error {
	arguments := append([]string{"-w", "-t", "mangle"}, strings.Fields(rule)...)
	output, err := exec.Command("iptables", arguments...).CombinedOutput()
	if err != nil {
		klog.V(1).Infof("iptables %s: %s", rule, output)
	}
	return err
}
