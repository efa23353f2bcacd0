package harness

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"headroom/harness/record"
)

// HostEnvironment describes the machine under the run and the program that
// measures. The stage adds what it knows: engine, image and packages.
func HostEnvironment() record.Environment {
	return record.Environment{
		Headroom:    Version(),
		OS:          runtime.GOOS,
		Arch:        runtime.GOARCH,
		Kernel:      firstLine("/proc/sys/kernel/osrelease"),
		CPUModel:    procValue("/proc/cpuinfo", "model name"),
		CPUs:        runtime.NumCPU(),
		MemoryBytes: memoryBytes(),
	}
}

// version is set by the Makefile to `git describe`; a build without it falls
// back to what the Go tool recorded.
var version string

// Version names the build of this program.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-dirty"
		}
	}
	if revision != "" {
		return revision[:min(12, len(revision))] + modified
	}
	return info.Main.Version
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}

// procValue returns the first value of key in a "key : value" file.
func procValue(path, key string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		k, v, found := strings.Cut(scanner.Text(), ":")
		if found && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func memoryBytes() int64 {
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(procValue("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
