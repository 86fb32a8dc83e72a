// Command nodeagent makes a node of a cluster usable: its pods' network, and the volumes of claims.
//
// It writes the CNI configuration from the node's pod CIDR, keeps routes to the pods of the other
// nodes, and makes a folder of the node for each claim that the scheduler has placed here.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	// kind names the API server's own address: kube-proxy may not have started yet.
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		config.Host = "https://" + endpoint
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	node := os.Getenv("NODE_NAME")
	for _, keep := range []func(context.Context, kubernetes.Interface, string) error{
		keepNetwork, keepVolumes,
	} {
		go func() {
			for {
				if err := keep(ctx, client, node); err != nil {
					log.Print(err)
				}
				time.Sleep(time.Second)
			}
		}()
	}
	<-ctx.Done()
}

func writeWhole(file string, content any) error {
	text, err := json.MarshalIndent(content, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
