// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

var testSize = scenarios.Dataset{Users: 10, Posts: 20, Orders: 30}

// finished is a dataset folder as a seeder leaves it, less the data.
func finished(t *testing.T) string {
	t.Helper()
	return finishedAs(t, testSize)
}

func finishedAs(t *testing.T, size scenarios.Dataset) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range pgdataNames(size) {
		if err := os.MkdirAll(filepath.Join(dir, seedingDir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish(dir, markerFor(size)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A database starts from its own shard's data, and from none that was seeded
// for another number of shards.
func TestCopyDataset(t *testing.T) {
	sharded := testSize
	sharded.Shards = 3
	whole, three := finishedAs(t, testSize), finishedAs(t, sharded)
	for _, name := range pgdataNames(sharded) {
		if err := os.WriteFile(filepath.Join(three, name, "name"), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		dir    string
		size   scenarios.Dataset
		copies int
		want   string // of the error; "" for none
	}{
		{three, sharded, 3, ""},
		{three, sharded, 4, "must be seeded with as many shards"},
		{whole, testSize, 1, "must be seeded with as many shards"},
		{whole, sharded, 3, "another dataset"},
	}
	for _, test := range tests {
		p := &server{
			host: machine.Host{DatasetDir: test.dir, Dataset: test.size, Family: &child.Family{}, Log: child.NewLines(&bytes.Buffer{})},
			spec: spec.Process{Copy: 2, Copies: test.copies, Settings: map[string]string{"data": "shard"}},
		}
		to := filepath.Join(t.TempDir(), "copy")
		err := p.copyDataset(t.Context(), to)
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v: error %v, want %q", test, err, test.want)
			}
			continue
		}
		if got, errRead := os.ReadFile(filepath.Join(to, "name")); err != nil || errRead != nil || string(got) != "pgdata-2" {
			t.Errorf("copy 2 starts from %q, %v, %v", got, err, errRead)
		}
	}
}

// What was there goes, whatever number of shards it had.
func TestRemoveOld(t *testing.T) {
	sharded := testSize
	sharded.Shards = 3
	dir := finishedAs(t, sharded)
	if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeOld(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "lock" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestMarker(t *testing.T) {
	want := markerFor(testSize)
	if err := want.check(t.TempDir()); err == nil || !strings.Contains(err.Error(), "must be seeded first") {
		t.Errorf("empty folder: %v", err)
	}
	dir := finished(t)
	if err := want.check(dir); err != nil {
		t.Errorf("finished: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, seedingDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	other := want
	other.Dataset.Users++
	if err := other.check(dir); err == nil || !strings.Contains(err.Error(), "another dataset") {
		t.Errorf("other size: %v", err)
	}
	other = want
	other.Version += "x"
	if err := other.check(dir); err == nil {
		t.Error("another version passes")
	}
	if err := os.WriteFile(filepath.Join(dir, markerFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := want.check(dir); err == nil {
		t.Error("a broken marker passes")
	}
}

func TestSeedKeepsAFinishedDataset(t *testing.T) {
	dir := finished(t)
	var out bytes.Buffer
	if err := Seed(t.Context(), testSize, dir, &out); err != nil || out.Len() != 0 {
		t.Errorf("error is %v, output %q", err, out.String())
	}
}

// A second seeder waits for the first and then finds its work done.
func TestSeedWaitsForAnother(t *testing.T) {
	dir := t.TempDir()
	unlock, err := child.LockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Seed(ctx, testSize, dir, &bytes.Buffer{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a locked folder gives %v", err)
	}
	result := make(chan error)
	go func() { result <- Seed(t.Context(), testSize, dir, &bytes.Buffer{}) }()
	if err := os.MkdirAll(filepath.Join(dir, seedingDir, "pgdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, markerFor(testSize)); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-result; err != nil {
		t.Errorf("the waiting seeder gives %v", err)
	}
}
