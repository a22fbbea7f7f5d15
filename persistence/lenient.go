package persistence

import (
	"go.mongodb.org/mongo-driver/bson"
)

// UnmarshalBSON takes what it can of a malformed document: one record must
// never keep the others of a list from being read.
func (d *sessionDoc) UnmarshalBSON(raw []byte) error {
	type plain sessionDoc
	whole, err := decodeWhatCan(raw, (*plain)(d))
	d.malformed = !whole || d.State.malformed
	return err
}

// UnmarshalBSON is sessionDoc's, for the fold within it.
func (d *stateDoc) UnmarshalBSON(raw []byte) error {
	type plain stateDoc
	whole, err := decodeWhatCan(raw, (*plain)(d))
	d.malformed = !whole
	return err
}

// UnmarshalBSON is sessionDoc's, for events.
func (d *messageDoc) UnmarshalBSON(raw []byte) error {
	type plain messageDoc
	whole, err := decodeWhatCan(raw, (*plain)(d))
	d.malformed = !whole
	return err
}

// decodeWhatCan decodes the document into the struct; where that fails, each
// field that can be decoded by itself.
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
