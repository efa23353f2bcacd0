// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"headroom/harness/drive"
	"headroom/harness/stage/docker"
	"headroom/harness/stage/docker/idle"
	"headroom/internal/child"
	"headroom/targets/gateway"
	"headroom/targets/jobs/worker"
	"headroom/targets/kinds"
	"headroom/targets/link"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
	"headroom/targets/shop"
	"headroom/targets/shop/dataset"
	"headroom/targets/shop/mail"
)

// insideCommands are what headroom runs of itself: in a machine, as
// the driver, and as the reaper. Nobody types them, so they are hidden.
func insideCommands() []*cobra.Command {
	commands := []*cobra.Command{
		{Use: "machine", Short: "Run a machine's processes (the image's entry point)", Args: cobra.NoArgs, RunE: runMachine},
		{Use: "observer", Short: "Answer for machines that run an image of the user's own", Args: cobra.NoArgs, RunE: runObserver},
		{Use: "ready", Short: "Ask whether all processes of this machine answer", Args: cobra.NoArgs, RunE: runReady},
		{Use: "shop", Short: "Run the shop as one process of a machine", Args: cobra.NoArgs, RunE: runShop},
		{Use: "mail", Short: "Run the mail provider's stand-in", Args: cobra.NoArgs, RunE: runMail},
		{Use: "worker", Short: "Run a worker of the queue", Args: cobra.NoArgs, RunE: runWorker},
		{Use: "gateway", Short: "Run the API gateway", Args: cobra.NoArgs, RunE: runGateway},
		{Use: "link", Short: "Run a TCP link with a delay", Args: cobra.NoArgs, RunE: runLink},
		{Use: "job", Short: "Drive the job on stdin, print the measurement", Args: cobra.NoArgs, RunE: runJob},
		{Use: "idle", Short: "Wait for work (the driver's container)", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return idle.Run(cmd.Context())
		}},
		{Use: "reap RUN", Short: "Remove a run's containers when its process is gone", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return docker.Reap(cmd.Context(), args[0], cmd.InOrStdin())
		}},
		newSeed(),
	}
	for _, c := range commands {
		c.Hidden = true
		c.PreRunE = followStarter
	}
	return commands
}

// followStarter ends the command when the process stage that started it is
// gone. In a container there is no such line, and the engine sees to it.
func followStarter(cmd *cobra.Command, _ []string) error {
	ctx, err := child.FollowLifeline(cmd.Context())
	if err == nil {
		cmd.SetContext(ctx)
	}
	return err
}

func runMachine(cmd *cobra.Command, _ []string) error {
	s, err := machine.SpecFromEnv(kinds.All())
	if err != nil {
		return err
	}
	return machine.Run(cmd.Context(), kinds.All(), s, cmd.ErrOrStderr())
}

func runObserver(cmd *cobra.Command, _ []string) error {
	o, err := machine.ObserverFromEnv(kinds.All())
	if err != nil {
		return err
	}
	return machine.Observe(cmd.Context(), kinds.All(), o, cmd.ErrOrStderr())
}

// processFromEnv is the process that the machine hands to its child.
func processFromEnv() (spec.Process, error) {
	var p spec.Process
	if err := json.Unmarshal([]byte(os.Getenv(machine.EnvProcess)), &p); err != nil {
		return p, fmt.Errorf("%s holds no process (a machine sets it): %w", machine.EnvProcess, err)
	}
	return p, nil
}

func runShop(cmd *cobra.Command, _ []string) error {
	p, err := processFromEnv()
	if err != nil {
		return err
	}
	config, err := shop.ConfigFromProcess(p)
	if err != nil {
		return err
	}
	return shop.Run(cmd.Context(), config, cmd.ErrOrStderr())
}

func runMail(cmd *cobra.Command, _ []string) error {
	p, err := processFromEnv()
	if err != nil {
		return err
	}
	config, err := mail.ConfigFromProcess(p)
	if err != nil {
		return err
	}
	return mail.Run(cmd.Context(), config, cmd.ErrOrStderr())
}

func runWorker(cmd *cobra.Command, _ []string) error {
	p, err := processFromEnv()
	if err != nil {
		return err
	}
	config, err := worker.ConfigFromProcess(p)
	if err != nil {
		return err
	}
	return worker.Run(cmd.Context(), config, cmd.ErrOrStderr())
}

func runGateway(cmd *cobra.Command, _ []string) error {
	p, err := processFromEnv()
	if err != nil {
		return err
	}
	config, err := gateway.ConfigFromProcess(p)
	if err != nil {
		return err
	}
	return gateway.Run(cmd.Context(), config, cmd.ErrOrStderr())
}

func runLink(cmd *cobra.Command, _ []string) error {
	p, err := processFromEnv()
	if err != nil {
		return err
	}
	config, err := link.ConfigFromProcess(p)
	if err != nil {
		return err
	}
	return link.Run(cmd.Context(), config, cmd.ErrOrStderr())
}

func runJob(cmd *cobra.Command, _ []string) error {
	data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), drive.MaxJobBytes+1))
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	job, err := drive.ParseJob(data)
	if err != nil {
		return err
	}
	measurement, err := drive.Drive(cmd.Context(), job)
	if err != nil {
		return err
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(measurement)
}

// newSeed is the shop's seed command: see Scenario, seed.
func newSeed() *cobra.Command {
	var size dataset.Size
	cmd := &cobra.Command{
		Use: "seed", Short: "Make the shop's data in the database that libpq's environment variables name", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return dataset.Seed(cmd.Context(), "", size) },
	}
	cmd.Flags().IntVar(&size.Users, "users", 0, "rows")
	cmd.Flags().IntVar(&size.Posts, "posts", 0, "rows")
	cmd.Flags().IntVar(&size.Orders, "orders", 0, "rows")
	cmd.Flags().IntVar(&size.Terms, "terms", 0, "words that titles are searched by; 0: 1000")
	cmd.Flags().IntVar(&size.Shard, "shard", 0, "which of the shards' rows, from 1; 0: all rows")
	cmd.Flags().IntVar(&size.Shards, "shards", 0, "databases that share the rows by hash")
	return cmd
}
