package job

import "encoding/json"

// PushKey names a push among those of several repositories, since an ID is unique
// in its repository alone. It is comparable and can be the key of a map.
type PushKey struct {
	Repo string
	ID   int64
}

// Key returns the push's repository and ID.
func (p Push) Key() PushKey { return PushKey{p.Repo, p.ID} }

// PushRef is how a push is named in JSON.
type PushRef struct {
	Repo     string `json:"repo"`
	ID       int64  `json:"id"`
	Revision string `json:"revision"`
	Git      string `json:"git_revision,omitempty"` // Push.Git; left out where it is not known
	Hg       string `json:"hg_revision,omitempty"`  // Push.Hg
}

// Ref is the push's name in JSON.
func (p Push) Ref() PushRef { return PushRef{p.Repo, p.ID, p.Revision, p.Git, p.Hg} }

// Push returns a push with the fields of the reference; the others are zero.
func (r PushRef) Push() Push {
	return Push{Repo: r.Repo, ID: r.ID, Revision: r.Revision, Git: r.Git, Hg: r.Hg}
}

// MarshalJSON writes null for the revision of a push that has none.
func (r PushRef) MarshalJSON() ([]byte, error) {
	var rev *string
	if r.Revision != "" {
		rev = &r.Revision
	}
	return json.Marshal(struct {
		Repo     string  `json:"repo"`
		ID       int64   `json:"id"`
		Revision *string `json:"revision"`
		Git      string  `json:"git_revision,omitempty"`
		Hg       string  `json:"hg_revision,omitempty"`
	}{r.Repo, r.ID, rev, r.Git, r.Hg})
}
