// Command runcfit is runc for a machine whose root lacks capabilities: containers and processes
// that ask for more than this process may have (docker's --privileged asks for all) get the rest.
//
// runc fails with "unable to apply caps: operation not permitted" otherwise.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const runc = "/usr/sbin/runc"

// In the order of their numbers in linux/capability.h.
var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID
	SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER
	SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE
	SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN
	SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

func main() {
	if file := specification(os.Args[1:]); file != "" {
		if err := fit(file); err != nil {
			fmt.Fprintf(os.Stderr, "runcfit: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
	arguments := append([]string{runc}, os.Args[1:]...)
	fmt.Fprintln(os.Stderr, syscall.Exec(runc, arguments, os.Environ()))
	os.Exit(1)
}

// specification is the JSON file that a command line of runc hands over; "" for other commands.
func specification(arguments []string) string {
	bundle, process, creates := ".", "", false
	for index, argument := range arguments {
		key, value, joined := strings.Cut(argument, "=")
		if !joined && index+1 < len(arguments) {
			value = arguments[index+1]
		}
		switch key {
		case "create", "run":
			creates = true
		case "--bundle", "-b":
			bundle = value
		case "--process", "-p":
			process = value
		}
	}
	if creates {
		return filepath.Join(bundle, "config.json")
	}
	return process
}

// fit removes capabilities that are not in this process's bounding set from a container's
// configuration (`.process.capabilities`), or from a process's (`.capabilities`).
func fit(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(content, &document); err != nil {
		return err
	}
	if inner, found := document["process"]; found {
		var process map[string]json.RawMessage
		if err := json.Unmarshal(inner, &process); err != nil {
			return err
		}
		if err := fitProcess(process); err != nil {
			return err
		}
		if document["process"], err = json.Marshal(process); err != nil {
			return err
		}
	} else if err := fitProcess(document); err != nil {
		return err
	}
	if content, err = json.Marshal(document); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

func fitProcess(process map[string]json.RawMessage) error {
	given, found := process["capabilities"]
	if !found {
		return nil
	}
	var capabilities map[string][]string
	if err := json.Unmarshal(given, &capabilities); err != nil {
		return err
	}
	for set, members := range capabilities {
		capabilities[set] = slices.DeleteFunc(members, func(name string) bool { return !have(name) })
	}
	fitted, err := json.Marshal(capabilities)
	process["capabilities"] = fitted
	return err
}

func have(capability string) bool {
	number := slices.Index(names, strings.TrimPrefix(capability, "CAP_"))
	if number < 0 {
		return false
	}
	bounded, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0)
	return err == nil && bounded == 1
}
