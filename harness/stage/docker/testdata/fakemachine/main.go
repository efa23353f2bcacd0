// SPDX-License-Identifier: Apache-2.0

// Command fakemachine stands for the headroom binary in the stage's tests. It is a
// machine that serves its name and does as its settings say. It also has the commands
// that the stage runs in the image.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"headroom/harness/stage/docker/idle"
	"headroom/targets/machine/spec"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command string, args []string) error {
	switch command {
	case "machine":
		return machine()
	case "observer":
		return observer()
	case "service":
		return service(args)
	case "keep":
		return keep(args)
	case "idle":
		return idle.Run(context.Background())
	case "echo":
		fmt.Fprint(os.Stderr, strings.Join(args, " "))
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "fetch":
		return fetch(args[0])
	case "burn":
		return burn(args[0])
	case "wait":
		return wait(args[0] == "stubborn")
	}
	return fmt.Errorf("unknown command %q", command)
}

func machine() error {
	var s spec.Spec
	if err := json.Unmarshal([]byte(os.Getenv(spec.EnvSpec)), &s); err != nil {
		return err
	}
	fmt.Printf("machine %s starts\n", s.Machine)
	if s.Seed != nil {
		return seed(*s.Seed)
	}
	if s.Begin != nil {
		return begin(*s.Begin)
	}
	refusal := ""
	for _, p := range s.Processes {
		if p.Settings["exit"] != "" {
			return fmt.Errorf("process %s: no space left on device", p.Name)
		}
		if p.Settings["ready"] == "never" {
			refusal = p.Name + " does not accept connections"
			fmt.Println(refusal)
		}
		if p.Settings["nonce"] == "wrong" {
			s.Nonce = "somebody else's"
		}
		// A link that does not answer at once ends the machine: so a test sees
		// that the stage started them in the order of their links.
		for _, addresses := range p.Links {
			for _, address := range addresses {
				if strings.HasPrefix(address, "127.") {
					continue
				}
				conn, err := net.DialTimeout("tcp", address, 2*time.Second)
				if err != nil {
					return fmt.Errorf("process %s: %w", p.Name, err)
				}
				conn.Close()
			}
		}
		go http.ListenAndServe(":"+strconv.Itoa(p.Port), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "%s/%s", s.Machine, p.Name)
		}))
		for _, addresses := range p.Links {
			if p.Settings["kills"] == "" {
				break
			}
			host, _, _ := net.SplitHostPort(addresses[0])
			if _, err := http.Post(fmt.Sprintf("http://%s:%d/die", host, spec.AgentPort), "", nil); err != nil {
				fmt.Println(err) // it did as it was told
			}
		}
	}
	return http.ListenAndServe(":"+strconv.Itoa(spec.AgentPort), agent(s, refusal))
}

// eat takes memory until the kernel ends it, or 4 GiB.
func eat() {
	var eaten [][]byte
	for range 64 {
		plate := make([]byte, 64<<20)
		for i := range plate {
			plate[i] = 1
		}
		eaten = append(eaten, plate)
	}
	fmt.Println(len(eaten), "plates: there is no memory limit")
	os.Exit(4)
}

func agent(s spec.Spec, refusal string) http.Handler {
	started := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(spec.NonceHeader, s.Nonce)
		if refusal != "" {
			http.Error(w, refusal, http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("the disk is full")
		os.Exit(3)
	})
	mux.HandleFunc("POST /starve", func(http.ResponseWriter, *http.Request) { eat() })
	mux.HandleFunc("GET /observe", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(spec.NonceHeader, s.Nonce)
		counters := spec.Counters{Machine: s.Machine, MonotonicNano: int64(time.Since(started)), StartedUnixNano: started.UnixNano()}
		json.NewEncoder(w).Encode(counters)
	})
	return mux
}

// observer answers for machines without an agent: one is ready when its process takes
// connections.
func observer() error {
	var o spec.Observer
	if err := json.Unmarshal([]byte(os.Getenv(spec.EnvObserver)), &o); err != nil {
		return err
	}
	if _, err := os.Stat(spec.HostCgroupDir); err != nil {
		fmt.Println(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(spec.NonceHeader, o.Nonce) })
	for _, m := range o.Machines {
		p, answer := m.Spec.Processes[0], agent(m.Spec, "")
		path := spec.ObservedPath(m.Spec.Machine)
		mux.Handle(path+"/", http.StripPrefix(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(p.Address, strconv.Itoa(p.Port)), time.Second)
			if err != nil {
				w.Header().Set(spec.NonceHeader, o.Nonce)
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			conn.Close()
			answer.ServeHTTP(w, r)
		})))
	}
	return http.ListenAndServe(":"+strconv.Itoa(spec.AgentPort), mux)
}

// service is a program that knows nothing of headroom: it tells its arguments, what it
// is to talk to, what is in its file, and what a command has put among its data. Asked to
// end it ends well, or as it is told.
func service(args []string) error {
	fmt.Println("the service starts")
	if os.Getenv("EXIT") != "" {
		return fmt.Errorf("no space left on device")
	}
	file, err := os.ReadFile(os.Getenv("FILE"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("DATA"), "written"), file, 0o644); err != nil {
		return err
	}
	said := fmt.Sprintf("%q at %s with %s, built with %s", args, os.Getenv("NEXT"), file, os.Getenv("BUILT"))
	if rows, err := os.ReadFile(filepath.Join(os.Getenv("DATA"), keptFile)); err == nil {
		said += ", with " + string(rows)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		code, _ := strconv.Atoi(os.Getenv("ENDS_WITH")) // 0 where nothing is said
		fmt.Println("the service ends")
		os.Exit(code)
	}()
	return http.ListenAndServe(":8000", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, said) }))
}

// keptFile is what a seed command leaves among a service's data.
const keptFile = "rows"

// keep is a seed command beside a service: it keeps what the file of its first word
// holds, and its other words. "fail" says what the file holds and fails.
func keep(args []string) error {
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	if args[1] == "fail" {
		return fmt.Errorf("no such table: %s", text)
	}
	kept := strings.Join(append([]string{string(text)}, args[1:]...), " ")
	return os.WriteFile(filepath.Join(os.Getenv("DATA"), keptFile), []byte(kept), 0o640)
}

// begin copies a dataset.
func begin(b spec.Begin) error {
	return os.CopyFS(b.To, os.DirFS(filepath.Join(b.Dataset.Dir, "data")))
}

// keepMade keeps what was made elsewhere as a dataset.
func keepMade(s spec.Seed) error {
	if err := os.CopyFS(filepath.Join(s.Dir, "data"), os.DirFS(s.Made)); err != nil {
		return err
	}
	text, err := json.Marshal(spec.Marker{Key: s.Key})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, spec.DatasetMarker), text, 0o644)
}

// seed makes a dataset, unless its command is to fail, as the command's file says.
func seed(s spec.Seed) error {
	if s.Made != "" {
		return keepMade(s)
	}
	if s.Command[0] == "fail" {
		why, _ := os.ReadFile(filepath.Join(s.FilesDir, "sql", "why.txt")) // where there is one
		return fmt.Errorf("seed: initdb: out of luck %s", why)
	}
	return os.WriteFile(filepath.Join(s.Dir, "seeded"), []byte(strings.Join(s.Command, " ")), 0o644)
}

func fetch(url string) error {
	response, err := (&http.Client{Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func burn(text string) error {
	duration, err := time.ParseDuration(text)
	for end := time.Now().Add(duration); time.Now().Before(end); {
	}
	return err
}

// wait says that it waits, and on SIGTERM what it has so far, unless it is
// stubborn.
func wait(stubborn bool) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("waiting")
	for range signals {
		if !stubborn {
			fmt.Println("partial result")
			return nil
		}
	}
	return nil
}
