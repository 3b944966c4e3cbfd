// Command workflows shows how mozci learns to speak with another CI: a hosted one that
// runs workflows, each of several jobs, for the commits of a repository. [CI] is its
// job.Scheduler, in two short files, and a test proves it with the kit of job/jobtest. The
// program then does with it what mozci does with any CI:
//
//	workflows https://ci.example acme/app "test / linux" SHA SHA SHA
//
// The commits are those of one branch, oldest first; the job failed on the last one.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

func main() {
	if len(os.Args) < 5 {
		log.Fatal("usage: workflows URL OWNER/REPO JOB COMMIT...")
	}
	ci := New(os.Args[1], os.Args[2], nil)
	if err := fill(context.Background(), ci, os.Args[3], os.Args[4:]); err != nil {
		log.Fatal(err)
	}
}

// fill prints when the label was good last, and runs again what has no result since.
func fill(ctx context.Context, ci *CI, label string, commits []string) error {
	var pushes []job.Push // a real program lists them with the API of its repository
	for i, sha := range commits {
		pushes = append(pushes, job.Push{Repo: ci.repo, ID: int64(i + 1), Revision: sha})
	}
	found, err := backfill.Find(ctx, job.NewList(ci.repo, pushes), ci, label, "tip", &backfill.FindOptions{Times: 1})
	if err != nil {
		return err
	}
	fmt.Printf("last good %v, first bad %v\n", found.LastGood, found.FirstBad)
	done, err := trigger.Run(ctx, ci, found.Plan, nil)
	for _, step := range done.Steps {
		fmt.Println(step.Push.ID, step.Action, step.Count, step.Why)
	}
	return err
}
