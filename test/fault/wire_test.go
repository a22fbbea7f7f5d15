//go:build fault

package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// trouble is what the wire does to an insert.
type trouble int

const (
	fine     trouble = iota
	lost             // applied; its reply is lost, its connection broken
	refused          // not applied: the server is no primary any more
	undone           // applied, not acknowledged, and rolled back by a new primary before anybody could read it
	clashing         // one event of the group finds its place taken; the others have nothing to do with it
	troubles
)

func (t trouble) String() string {
	return [troubles]string{"untouched", "reply lost", "refused by a stand-in", "rolled back", "one of a group clashing"}[t]
}

// persona is what the wire says that it is.
type persona string

const (
	standalone persona = "standalone"
	replicaSet persona = "replica-set" // of one member: drivers retry writes on it
)

const setName = "wire"

// wire stands between the pods and the history's server. It understands what
// it carries well enough to spoil it where a plan says so. Everything that it
// claims, a real primary change may do.
type wire struct {
	as       persona
	listener net.Listener
	upstream string
	server   *mongo.Client // past the wire

	// Writes that the primary may still lose are not read: readers wait while
	// there are any.
	unsure sync.RWMutex

	mu      sync.Mutex // guards following
	what    trouble
	every   int
	inserts int // of events, since the plan began
	delay   time.Duration
	hits    map[trouble]int
	widest  int             // events in one insert
	tried   map[string]int  // how often an event was in an insert, by place and key
	beside  map[string]bool // those that were in a group with one that clashed
	conns   map[net.Conn]bool
	failed  error // what the wire itself could not do
}

func startWire(ctx context.Context, t *testing.T, m *mongoServer, as persona) *wire {
	t.Helper()
	u, err := url.Parse(m.uri)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{
		as: as, listener: l, upstream: u.Host,
		hits: map[trouble]int{}, tried: map[string]int{}, beside: map[string]bool{}, conns: map[net.Conn]bool{},
	}
	if w.server, err = mongo.Connect(ctx, options.Client().ApplyURI(m.uri)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { w.carry(ctx, in) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		w.cut()
		work.Wait()
		if w.failed != nil {
			t.Errorf("the wire: %v", w.failed)
		}
		_ = w.server.Disconnect(context.WithoutCancel(ctx)) // nothing is owed
	})
	return w
}

// uri is what pods are configured with.
func (w *wire) uri() string {
	if w.as == replicaSet {
		return fmt.Sprintf("mongodb://%s/?replicaSet=%s", w.listener.Addr(), setName)
	}
	return fmt.Sprintf("mongodb://%s/", w.listener.Addr())
}

// spoil does this to every so-manieth insert of events, until calm.
func (w *wire) spoil(what trouble, every int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what, w.every, w.inserts = what, every, 0
}

func (w *wire) calm() { w.spoil(fine, 0) }

// slow delays every reply.
func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// cut breaks all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
}

// carry serves one connection of a pod.
func (w *wire) carry(ctx context.Context, in net.Conn) {
	out, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", w.upstream)
	if err != nil {
		_ = in.Close()
		return
	}
	w.mu.Lock()
	w.conns[in], w.conns[out] = true, true
	w.mu.Unlock()
	defer func() {
		_, _ = in.Close(), out.Close() // one of them is mostly closed
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, in)
		delete(w.conns, out)
	}()
	for ctx.Err() == nil {
		cmd, err := readMessage(in)
		if err != nil {
			return
		}
		answer, err := w.exchange(ctx, out, cmd)
		if err != nil {
			return
		}
		if !w.late(ctx) {
			return
		}
		if _, err := in.Write(answer.raw); err != nil {
			return
		}
	}
}

// late waits as long as replies are delayed; false: it is over.
func (w *wire) late(ctx context.Context) bool {
	w.mu.Lock()
	d := w.delay
	w.mu.Unlock()
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errCut ends a connection without a reply.
var errCut = errors.New("cut")

// exchange has a command answered; an error means that the connection breaks.
func (w *wire) exchange(ctx context.Context, out net.Conn, cmd message) (message, error) {
	cmd, err := w.plain(cmd)
	if err != nil {
		return message{}, err
	}
	switch {
	case cmd.greets():
		answer, err := ask(out, cmd)
		if err != nil || w.as != replicaSet {
			return answer, err
		}
		return w.member(answer)
	case cmd.name == "insert" && cmd.text("insert") == "messages":
		return w.insert(ctx, out, cmd)
	default:
		w.unsure.RLock()
		defer w.unsure.RUnlock()
		return ask(out, cmd)
	}
}

// ask is one command and its reply.
func ask(out net.Conn, cmd message) (message, error) {
	if _, err := out.Write(cmd.raw); err != nil {
		return message{}, err
	}
	return readMessage(out)
}

// plain takes away what only a replica set understands and a driver sends to
// what it takes for one: a repeat is not known by its number then, so that the
// pods meet what they wrote before.
func (w *wire) plain(cmd message) (message, error) {
	if cmd.body.Lookup("txnNumber").IsZero() {
		return cmd, nil
	}
	var body bson.D
	if err := bson.Unmarshal(cmd.body, &body); err != nil {
		return cmd, err
	}
	body = slices.DeleteFunc(body, func(e bson.E) bool { return e.Key == "txnNumber" })
	return cmd.with(body)
}

// member makes a greeting one of a replica set's primary.
func (w *wire) member(answer message) (message, error) {
	var body bson.D
	if err := bson.Unmarshal(answer.body, &body); err != nil {
		return answer, err
	}
	me := w.listener.Addr().String()
	body = slices.DeleteFunc(body, func(e bson.E) bool {
		return slices.Contains([]string{"setName", "setVersion", "hosts", "me", "primary", "secondary", "topologyVersion"}, e.Key)
	})
	return answer.with(append(body,
		bson.E{Key: "setName", Value: setName}, bson.E{Key: "setVersion", Value: int32(1)},
		bson.E{Key: "hosts", Value: bson.A{me}}, bson.E{Key: "me", Value: me}, bson.E{Key: "primary", Value: me},
		bson.E{Key: "secondary", Value: false},
	))
}

// insert has events inserted, or spoils that.
func (w *wire) insert(ctx context.Context, out net.Conn, cmd message) (message, error) {
	docs := cmd.docs["documents"]
	switch w.fate(docs) {
	case lost:
		if _, err := ask(out, cmd); err != nil {
			return message{}, err
		}
		return message{}, errCut
	case refused:
		return cmd.reply(notPrimary())
	case undone:
		return message{}, errors.Join(w.rollBack(ctx, out, cmd), errCut)
	case clashing:
		return w.clash(ctx, out, cmd)
	default:
		return ask(out, cmd)
	}
}

// noted keeps what the wire itself could not do for the end of the test.
func (w *wire) noted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failed = errors.Join(w.failed, err)
	}
	return err
}

// fate decides about one insert and keeps the books.
func (w *wire) fate(docs []bson.Raw) trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range docs {
		w.tried[eventOf(d)]++
	}
	w.widest = max(w.widest, len(docs))
	if w.what == fine || w.what == clashing && len(docs) < 2 {
		return fine
	}
	w.inserts++
	if w.inserts%w.every != 0 {
		return fine
	}
	w.hits[w.what]++
	if w.what == clashing {
		for _, d := range docs[1:] {
			w.beside[eventOf(d)] = true
		}
	}
	return w.what
}

// eventOf names what an insert carries: the same key may come to stand at
// another place.
func eventOf(d bson.Raw) string {
	id, _ := d.Lookup("_id").StringValueOK()
	key, _ := d.Lookup("key").StringValueOK()
	return id + " " + key
}

// notPrimary is what a member says that has stepped down.
func notPrimary() bson.D {
	return bson.D{
		{Key: "ok", Value: 0.0},
		{Key: "errmsg", Value: "not primary"},
		{Key: "code", Value: int32(10107)},
		{Key: "codeName", Value: "NotWritablePrimary"},
		{Key: "errorLabels", Value: bson.A{"RetryableWriteError"}},
		{Key: "topologyVersion", Value: bson.D{
			{Key: "processId", Value: primitive.NewObjectID()}, {Key: "counter", Value: int64(1)},
		}},
	}
}

// rollBack applies an insert, takes it back as a primary does that had not
// replicated it, and breaks all connections as a failover does. Nobody reads
// it meanwhile: a majority never had it. Inserts may meet it.
func (w *wire) rollBack(ctx context.Context, out net.Conn, cmd message) error {
	w.unsure.Lock()
	defer w.unsure.Unlock()
	answer, err := ask(out, cmd)
	if err != nil {
		return err
	}
	failed := map[int]bool{}
	var said struct {
		Errors []struct {
			Index int `bson:"index"`
		} `bson:"writeErrors"`
	}
	if err := bson.Unmarshal(answer.body, &said); err != nil {
		return err
	}
	for _, e := range said.Errors {
		failed[e.Index] = true
	}
	for i, d := range cmd.docs["documents"] {
		if failed[i] {
			continue // what stands there is another's
		}
		if err := w.remove(ctx, cmd, d.Lookup("_id"), d.Lookup("key")); err != nil {
			return err
		}
	}
	w.cut()
	return nil
}

func (w *wire) remove(ctx context.Context, cmd message, id, key any) error {
	gone, err := w.server.Database(cmd.text("$db")).Collection("messages").
		DeleteOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "key", Value: key}})
	if err == nil && gone.DeletedCount != 1 {
		err = fmt.Errorf("%d documents were taken back", gone.DeletedCount)
	}
	return w.noted(ctx, err)
}

// clash has the first event of a group meet another at its place, which is
// gone again before anybody reads it.
func (w *wire) clash(ctx context.Context, out net.Conn, cmd message) (message, error) {
	w.unsure.Lock()
	defer w.unsure.Unlock()
	var other bson.D
	if err := bson.Unmarshal(cmd.docs["documents"][0], &other); err != nil {
		return message{}, err
	}
	for i := range other {
		if other[i].Key == "key" {
			other[i].Value = "s:another"
		}
	}
	id := cmd.docs["documents"][0].Lookup("_id")
	_, err := w.server.Database(cmd.text("$db")).Collection("messages").InsertOne(ctx, other)
	if mongo.IsDuplicateKeyError(err) {
		return ask(out, cmd) // it clashes without help
	}
	if err != nil {
		return message{}, w.noted(ctx, err)
	}
	answer, err := ask(out, cmd)
	return answer, errors.Join(err, w.remove(ctx, cmd, id, "s:another"))
}

// counted is how often the wire has done this since it was started.
func (w *wire) counted(what trouble) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits[what]
}

// neighbours are the events that stood beside one that clashed, and how many
// of them were inserted more than once.
func (w *wire) neighbours() (all, again, widest int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := range w.beside {
		if w.tried[e] > 1 {
			again++
		}
	}
	return len(w.beside), again, w.widest
}
