// SPDX-License-Identifier: Apache-2.0

// Package worker is the kind of process that takes jobs from a queue, which is the
// package targets/jobs/worker.
package worker

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
)

// The settings of a worker.
var (
	Jobs       = scenarios.Enum("jobs", "which it takes", "all", "mail", "image", "analytics")
	Idempotent = scenarios.Enum("idempotent", "whether a job that comes twice is done once", "yes", "no")
	// The longest leaves an image time to be done before its job is another's, on a
	// machine that has a fifth of a CPU.
	ImageWork = scenarios.Duration("image_work", 5*time.Millisecond, 0, 500*time.Millisecond, "CPU time of one image")
)

// Kind is what does the shop's jobs. A worker counts delivered_total,
// redelivered_total, applied_total, skipped_total, failed_total and reordered_total;
// the same of each kind of job, as mail_applied_total.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "worker", Port: 8026,
			Facts: scenarios.Facts{
				Label: "the worker", About: "takes the shop's jobs from the queue", Keeps: scenarios.KeepsNothing, Ports: 1,
				Speaks: []scenarios.Protocol{scenarios.ProtocolBacklog},
				Counters: []scenarios.Counter{
					{Key: "delivered", Meaning: scenarios.MeaningDelivered, Total: true},
					{Key: "reordered", Meaning: scenarios.MeaningReordered, Total: true},
				},
			},
			Settings: []scenarios.SettingSpec{Idempotent.SettingSpec, ImageWork.SettingSpec, Jobs.SettingSpec},
			Links: []scenarios.LinkSpec{
				{Role: scenarios.RoleCache, Needs: scenarios.ProtocolRedis, Required: true, About: "remembers what was done"},
				{Role: scenarios.RoleMail, Needs: scenarios.ProtocolMail, Required: true, About: "where mails go"},
				{Role: scenarios.RoleQueue, Needs: scenarios.ProtocolJetStream, Required: true, About: "where jobs come from"},
			},
		},
		New: machine.NewCountedApp,
	}
}
