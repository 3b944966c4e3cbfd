// Command workflows shows how to teach mozci another CI: a hosted service that runs workflows,
// each with several jobs, for the commits of a repository. [CI] implements job.Scheduler for it in
// two short files, and the test shows with the kit of job/jobtest that it keeps the contract. The
// program then does what mozci does with any CI:
//
//	workflows https://ci.example acme/app "test / linux" SHA SHA SHA
//
// The commits are of one branch, oldest first, and the job failed on the last one.
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

// fill prints the last good and the first bad commit, and runs the job again on the commits in
// between that have no result. A commit becomes a push whose ID is its place in the list, from 1.
func fill(ctx context.Context, ci *CI, label string, commits []string) error {
	var pushes []job.Push // a real program reads them from its repository
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
