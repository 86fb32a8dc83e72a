// Command client is what pods of the tests run: a server, and a client of names, ports and HTTP.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const usage = `usage:
  client sleep              until it is told to end
  client serve ADDRESS...   answers HTTP at each address
  client lookup NAME        prints its addresses
  client connect ADDRESS    opens a TCP connection
  client get URL            prints what is answered; an error if the code is not 2xx
  client write FILE TEXT
  client read FILE`

var (
	timeout = flag.Duration("timeout", 5*time.Second, "of lookup, connect and get")
	caFile  = flag.String("ca", "", "PEM file of the authority that get trusts")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	command, rest := "", arguments
	if len(arguments) > 0 {
		command, rest = arguments[0], arguments[1:]
	}
	switch {
	case command == "sleep":
		<-ctx.Done()
		return nil
	case command == "serve" && len(rest) > 0:
		return serve(ctx, rest)
	case command == "write" && len(rest) == 2:
		return os.WriteFile(rest[0], []byte(rest[1]), 0o600)
	case command == "read" && len(rest) == 1:
		content, err := os.ReadFile(rest[0])
		os.Stdout.Write(content)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	switch {
	case command == "lookup" && len(rest) == 1:
		addresses, err := net.DefaultResolver.LookupHost(ctx, rest[0])
		fmt.Println(strings.Join(addresses, "\n"))
		return err
	case command == "connect" && len(rest) == 1:
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", rest[0])
		if err == nil {
			connection.Close()
		}
		return err
	case command == "get" && len(rest) == 1:
		return get(ctx, rest[0])
	}
	return errors.New(usage)
}

func serve(ctx context.Context, addresses []string) error {
	answer := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(writer, "%s answers %s\n", os.Getenv("HOSTNAME"), request.URL.Path)
	})
	failed := make(chan error, len(addresses))
	for _, address := range addresses {
		go func() { failed <- http.ListenAndServe(address, answer) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func get(ctx context.Context, url string) error {
	client := http.Client{}
	if *caFile != "" {
		content, err := os.ReadFile(*caFile)
		if err != nil {
			return err
		}
		authorities := x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(content) {
			return fmt.Errorf("no certificate in %s", *caFile)
		}
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
