package buildbot

// For each type of record this file has three methods. key identifies a record among others of
// its type. field returns the value of a field by its name in the API, so that contracts can
// check filters and orders; nil for fields that are never used so. check is for what tags
// cannot express.

func (b Builder) key() key        { return key{id: int64(b.ID)} }
func (s forceScheduler) key() key { return key{name: s.Name} }
func (c change) key() key         { return key{id: c.ID} }
func (s Buildset) key() key       { return key{id: s.ID} }
func (r BuildRequest) key() key   { return key{id: r.ID} }
func (b Build) key() key          { return key{id: b.ID} }
func (s step) key() key           { return key{id: s.ID} }
func (l stepLog) key() key        { return key{id: l.ID} }

func (Builder) check() error { return nil }
func (stepLog) check() error { return nil }

func (Builder) field(string) any        { return nil } // always read without filters
func (forceScheduler) field(string) any { return nil }

func (c change) field(name string) any {
	switch name {
	case "changeid":
		return c.ID
	case "branch":
		return c.Branch
	case "codebase":
		return c.Codebase
	case "revision":
		return c.Revision
	case "when_timestamp":
		return int64(c.When)
	}
	return nil
}

func (s Buildset) field(name string) any {
	switch name {
	case "bsid":
		return s.ID
	case "complete":
		return s.Complete
	}
	return nil
}

func (r BuildRequest) field(name string) any {
	switch name {
	case "buildrequestid":
		return r.ID
	case "buildsetid":
		return r.Buildset
	case "builderid":
		return int64(r.Builder)
	case "claimed":
		return r.Claimed
	case "complete":
		return r.Complete
	}
	return nil
}

func (b Build) field(name string) any {
	switch name {
	case "buildid":
		return b.ID
	case "buildrequestid":
		return b.Request
	case "builderid":
		return int64(b.Builder)
	case "number":
		return int64(b.Number)
	case "complete":
		return b.Complete
	}
	return nil
}

func (s step) field(name string) any {
	if name == "buildid" {
		return s.Build
	}
	return nil
}

func (l stepLog) field(name string) any {
	if name == "stepid" {
		return l.Step
	}
	return nil
}
