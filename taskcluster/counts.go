package taskcluster

import (
	"context"

	"github.com/mozci/mozci/job/contract"
)

// queueCounts tells how many tasks of a queue are waiting and how many are running.
type queueCounts struct {
	TaskQueueID string `json:"taskQueueId" is:"required"`
	Pending     int    `json:"pendingTasks" is:"required" min:"0" max:"1e9"`
	Claimed     int    `json:"claimedTasks" is:"required" min:"0" max:"1e9"`

	_ contract.Also `names:"provisionerId workerType"`
}

var counts = contract.New(contract.Endpoint[queueCounts]{
	Source: source, Name: "queue.taskQueueCounts", URL: `/queue/v1/task-queues/(?P<queue>.+)/counts$`,
	Same: func(asked contract.Asked, n *queueCounts) error {
		if queue := asked.Var("queue"); n.TaskQueueID != queue {
			return contract.Differs("taskQueueId", n.TaskQueueID, queue)
		}
		return nil
	},
})

// taskQueueCounts counts the tasks of a queue, named <provisioner>/<worker type>, such as
// "gecko-t/t-linux-2204-wayland". A queue that was never used has 0, and is no error.
func (c *Client) taskQueueCounts(ctx context.Context, taskQueueID string) (queueCounts, error) {
	url := c.route("queue", "task-queues", taskQueueID, "counts")
	out, err := get(ctx, c, "queue.taskQueueCounts", taskQueueID, url, counts)
	if err != nil {
		return queueCounts{}, err
	}
	return *out, nil
}
