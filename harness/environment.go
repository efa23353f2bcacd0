// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"runtime"
	"runtime/debug"

	"headroom/harness/record"
	"headroom/internal/host"
	"headroom/internal/maybe"
)

// HostEnvironment describes the machine under the run and the program that
// measures. The stage adds what it knows: engine, image and packages.
func HostEnvironment() record.Environment {
	environment := record.Environment{
		Headroom: Version(),
		OS:       runtime.GOOS,
		Arch:     runtime.GOARCH,
		Kernel:   orUnknown(host.KernelRelease()),
		CPUModel: orUnknown(host.CPUModel()),
		CPUs:     runtime.NumCPU(),
	}
	if memory, err := host.MemoryBytes(); err == nil {
		environment.MemoryBytes = maybe.Of(float64(memory))
	}
	return environment
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

func orUnknown(text string, err error) string {
	if err != nil {
		return "unknown"
	}
	return text
}
