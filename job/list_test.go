package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

func TestListKeepsTheContract(t *testing.T) {
	var pushes []job.Push
	for i, id := range []int64{3, 9, 10, 99, 100, 230} {
		rev := fmt.Sprintf("%012x%028x", id, 1)
		pushes = append(pushes, job.Push{
			Repo: "try", ID: id, Revision: rev, User: "dev", Time: time.Unix(1700000000+int64(i)*60, 0).UTC(),
			Changesets: []job.Changeset{
				{Node: fmt.Sprintf("%012x%028x", id, 0), Author: "Dev", Description: "first"},
				{Node: rev, Author: "Dev", Description: "second", Parents: []string{"p"}},
			},
		})
	}
	shuffled := []job.Push{pushes[4], pushes[0], pushes[5], pushes[2], pushes[1], pushes[3]}
	c := jobtest.RepositoryCase{Pushes: pushes, Absent: strings.Repeat("deadbeef", 5)}
	if err := jobtest.CheckRepository(t.Context(), job.NewList("try", shuffled), c); err != nil {
		t.Error(err)
	}
}
