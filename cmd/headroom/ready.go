// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"headroom/harness/observe"
	"headroom/targets/kinds"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// runReady asks the agent of the machine that it runs in whether all processes
// answer: the health check of a container that no stage watches.
func runReady(cmd *cobra.Command, _ []string) error {
	s, err := machine.SpecFromEnv(kinds.All())
	if err != nil {
		return err
	}
	host := "127.0.0.1"
	if s.Local != nil {
		host = s.Local.Address
	}
	agent := "http://" + net.JoinHostPort(host, strconv.Itoa(spec.AgentPort))
	return observe.Ready(cmd.Context(), agent, s.Nonce)
}
