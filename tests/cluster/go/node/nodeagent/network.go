package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const cniFile = "/etc/cni/net.d/10-nodeagent.conflist"

// keepNetwork writes the CNI configuration of this node once its pod CIDR is known, and routes
// what is for pods of other nodes to those nodes.
func keepNetwork(ctx context.Context, client kubernetes.Interface, self string) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
		if err != nil {
			continue // not assigned yet
		}
		if node.Name == self {
			if _, err := os.Stat(cniFile); err == nil {
				continue
			}
			if err := writeWhole(cniFile, cniConfiguration(pods)); err != nil {
				return err
			}
		} else if gateway := internalAddress(node); gateway != nil {
			if err := netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: gateway}); err != nil {
				return fmt.Errorf("route to the pods of node %s: %w", node.Name, err)
			}
		}
	}
	return nil
}

func internalAddress(node corev1.Node) net.IP {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return net.ParseIP(address.Address)
		}
	}
	return nil
}

type object = map[string]any

// cniConfiguration: a pair of interfaces for each pod, addresses of the node's range, hostPorts.
func cniConfiguration(pods *net.IPNet) object {
	addresses := object{
		"type":    "host-local",
		"dataDir": "/run/cni-ipam-state",
		"ranges":  [][]object{{{"subnet": pods.String()}}},
		"routes":  []object{{"dst": "0.0.0.0/0"}},
	}
	return object{
		"cniVersion": "0.3.1",
		"name":       "nodeagent",
		"plugins": []object{
			// Without masquerading: policies tell pods of other nodes by their addresses.
			{"type": "ptp", "mtu": 1500, "ipam": addresses},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
}
