package machine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

var testSize = scenarios.Dataset{Users: 10, Posts: 20, Orders: 30}

// finished is a dataset folder as a seeder leaves it, less the data.
func finished(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, seedingDir, "pgdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, markerFor(testSize)); err != nil {
		t.Fatal(err)
	}
	return dir
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
	unlock, err := LockDir(t.Context(), dir)
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
