// SPDX-License-Identifier: Apache-2.0

package process

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"headroom/harness/stage"
	"headroom/scenarios"
)

// withService is a pair whose front is a process of the user's own.
func withService(service *scenarios.Service) scenarios.Topology {
	topology := pair(nil)
	topology.Entry = "front/web"
	topology.Machines[0].Processes = []scenarios.Process{{
		Name: "web", Kind: "service", Port: 8000, Facts: scenarios.Facts{Ports: 1}, Service: service,
		Links: []scenarios.Link{{Role: "next", To: []string{"back/mail"}}},
	}}
	return topology
}

// A program of this computer is started as the scenario says, with its files and the
// addresses of its links.
func TestServiceOfThisComputer(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("settings")
	sum := sha256.Sum256(content)
	s := openStage(t)
	sys, err := s.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: withService(&scenarios.Service{
		Command: []string{self, "serve"}, Env: map[string]string{"NEXT": "http://{next}/"}, Limits: scenarios.LimitsFromStart,
		Files: []scenarios.File{{Path: "/etc/conf", From: "conf", SHA256: hex.EncodeToString(sum[:]), Content: content}},
		Ready: scenarios.Ready{HTTP: "/", Within: 20 * time.Second},
	})})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(sys.EntryURL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if want := "settings, next http://" + sys.(*System).host("back") + ":8025/"; err != nil || string(said) != want {
		t.Errorf("it says %q, %v, want %q", said, err, want)
	}
}

func TestRefusesImages(t *testing.T) {
	s := openStage(t)
	_, err := s.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: withService(&scenarios.Service{Image: "app:1"})})
	if err == nil || !strings.Contains(err.Error(), "start before: front/web has an image of its own") || !strings.Contains(err.Error(), "--stage docker") {
		t.Errorf("error %v, want the remedy", err)
	}
	checkEmpty(t, s)
}

// The files of a seed command are in the folder where the command works.
func TestSeedFiles(t *testing.T) {
	s := openStage(t)
	p := processOf("postgres", nil)
	p.Seed = []string{"make", "it"}
	p.SeedFiles = []scenarios.File{{Path: "sql/why.txt", From: "sql/why.txt", Content: []byte("because of the file")}}
	err := s.EnsureDataset(t.Context(), scenarios.Dataset{Process: p})
	if err == nil || !strings.Contains(err.Error(), "out of luck because of the file") {
		t.Errorf("error %v, want what the file says", err)
	}
}

// The data of a program of this computer are made once, beside the running program, and
// each start begins with a copy.
func TestSeedOfAService(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("settings")
	sum := sha256.Sum256(content)
	topology := withService(&scenarios.Service{
		Command: []string{self, "serve"}, Env: map[string]string{"NEXT": "nowhere"}, Limits: scenarios.LimitsFromStart, Data: "rows",
		Files: []scenarios.File{{Path: "etc/conf", From: "conf", SHA256: hex.EncodeToString(sum[:]), Content: content}},
		Ready: scenarios.Ready{HTTP: "/", Within: 20 * time.Second},
	})
	p := &topology.Machines[0].Processes[0]
	p.Links, p.Facts.Stores = nil, true
	p.Seed = []string{"sh", "-c", `cat why.txt > rows/kept; echo "$NEXT" >> rows/kept`}
	p.SeedFiles = []scenarios.File{{Path: "why.txt", From: "why.txt", SHA256: "1", Content: []byte("rows and ")}}
	s := openStage(t)
	request := stage.Request{Variant: scenarios.Before, Topology: topology}
	if _, err := s.Start(t.Context(), request); err == nil || !strings.Contains(err.Error(), "EnsureDataset") {
		t.Errorf("before the data are made: %v", err)
	}
	for range 2 {
		for _, d := range topology.Datasets() {
			if err := s.EnsureDataset(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	sys, err := s.Start(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(sys.EntryURL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if want := "settings, next nowhere, with rows and nowhere\n"; err != nil || string(said) != want {
		t.Errorf("it says %q, %v, want %q", said, err, want)
	}
}
