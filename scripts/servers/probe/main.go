// Command probe exits 0 when the MongoDB-compatible server at the given URI has stored a document and given it back:
// an open port proves less, because FerretDB listens before its database is there.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: probe MONGO_URI")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(uri string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(uri).
		SetServerSelectionTimeout(time.Second).SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()

	docs := client.Database("probe").Collection("probe")
	id := primitive.NewObjectID()
	if _, err := docs.InsertOne(ctx, bson.M{"_id": id}); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if err := docs.FindOne(ctx, bson.M{"_id": id}).Err(); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if _, err := docs.DeleteOne(ctx, bson.M{"_id": id}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}
