// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the tests call this very program as `headroom`, and parts of
// themselves as processes of their own. They measure side by side, and whatever
// else the machine does: none of them takes its lock.
func TestMain(m *testing.M) {
	takeMachine = takeTestLock
	testscript.Main(m, map[string]func(){"headroom": main, worldCommand: worldMain, largeCommand: largeMain})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// No script may reach an engine by accident: those that test
			// Docker itself live beside the stage.
			env.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
			env.Setenv("CI", "")
			return nil
		},
	})
}
