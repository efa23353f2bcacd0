// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// serviceKeys are what a scenario file may say of a service: the key, what it holds,
// and what it is for.
var serviceKeys = [][3]string{
	{"image", "a name", "what runs in a container; the docker program pulls it"},
	{"build", "a folder, or context, dockerfile, target and args", "the image is built instead, by the docker program"},
	{"command", "a line, or a list", "of an image: in place of its own; without an image: a program of this computer (--stage process)"},
	{"args", "a list", "behind the command, or in place of the image's own arguments"},
	{"port", "1 to 65534", "required: where it listens; from 1024 on without an image"},
	{"env", "NAME: value", "its environment; {role} stands for where a link leads, host:port; {{role}} for the text {role}"},
	{"files", "path: file", "files beside the scenario, and where the service finds them"},
	{"ready", "http, tcp or command; within", "when it is ready; an open port within 1m unless it says otherwise"},
	{"data", "a folder", "outlives a restart; as the image has it unless it says otherwise"},
	{"seed", "a line", "the command that makes what data holds, once, beside the running service; each start begins with a copy"},
	{"seed_files", "a list", "files beside the scenario, in the folder where the seed command works"},
	{"limits", "start, ready", "from when on its CPU is limited: its start, or the end of the warm-up; a program that sizes itself by what it sees must see the limit at its start"},
	{"counters", "path; names", "its page in Prometheus' format, and the names of counters there by what they mean"},
	{"attach", "a kind", "its counters are read by that kind's protocol"},
	{"links", "role: machine/process", "whom it talks to, in roles of its own"},
	{"stateless", "yes, no", "whether copies of it can stand beside one another; unsaid is no with data or attach, and else not known"},
	{"speaks", "a list", "the protocols in which others talk to it; HTTP unless it says otherwise"},
}

func writeService(out io.Writer, k kindPage) error {
	fmt.Fprintf(out, "%s: %s. Each says its own port.\n", k.Name, k.About)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, key := range serviceKeys {
		fmt.Fprintf(table, "  %s:\t%s\t%s\n", key[0], key[1], key[2])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "docs/own-systems.md has examples.")
	return err
}
