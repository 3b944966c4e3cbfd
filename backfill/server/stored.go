package server

import "time"

// stored is the body of a record: what is not in columns of its own.
type stored struct {
	Backfill Backfill `json:"backfill"`
	Key      string   `json:"key"`
	Caller   Caller   `json:"caller"`
}

// record is what is stored, with what the columns know better.
func (s stored) record(version int64, created, updated time.Time, ended *time.Time, cancelledBy string) Record {
	b := s.Backfill
	b.Version, b.Created, b.Updated, b.Ended, b.CancelledBy = version, created, updated, nil, Text(cancelledBy)
	if ended != nil {
		at := *ended
		b.Ended = &at
	}
	return Record{Backfill: b, Key: s.Key, Caller: s.Caller}
}
