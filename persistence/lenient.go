package persistence

import (
	"go.mongodb.org/mongo-driver/bson"
)

// UnmarshalBSON decodes as much as it can of a malformed document, so that one
// bad record does not make a whole list unreadable.
func (d *sessionDoc) UnmarshalBSON(raw []byte) error {
	type plain sessionDoc
	whole, err := decodeWhatCan(raw, (*plain)(d))
	d.malformed = !whole || d.State.malformed
	return err
}

// UnmarshalBSON decodes the fold inside a session as leniently as sessionDoc.
func (d *stateDoc) UnmarshalBSON(raw []byte) error {
	type plain stateDoc
	whole, err := decodeWhatCan(raw, (*plain)(d))
	d.malformed = !whole
	return err
}

// UnmarshalBSON decodes events as leniently as sessionDoc.
func (d *messageDoc) UnmarshalBSON(raw []byte) error {
	type plain messageDoc
	whole, err := decodeWhatCan(raw, (*plain)(d))
	d.malformed = !whole
	return err
}

// decodeWhatCan decodes the document into the struct. If that fails, it decodes
// each field separately and skips those that fail.
func decodeWhatCan[T any](raw []byte, into *T) (whole bool, err error) {
	if bson.Unmarshal(raw, into) == nil {
		return true, nil
	}
	var none T
	*into = none
	fields, err := bson.Raw(raw).Elements()
	if err != nil {
		return false, err
	}
	for _, f := range fields {
		one, err := bson.Marshal(bson.D{{Key: f.Key(), Value: f.Value()}})
		if err != nil {
			return false, err
		}
		before := *into
		if bson.Unmarshal(one, into) != nil {
			*into = before
		}
	}
	return false, nil
}
