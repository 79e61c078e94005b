// Models and collections: change events per property, several event names in one string, and collections that re-emit
// the events of their members.
class Emitter {
  #handlers = new Map();
  on(names, fn, context) {
    for (const name of String(names).split(/\s+/)) {
      if (!this.#handlers.has(name)) this.#handlers.set(name, []);
      this.#handlers.get(name).push({ fn, context });
    }
    return this;
  }
  once(names, fn, context) {
    const wrapped = (...args) => { this.off(names, wrapped); fn.apply(context || this, args); };
    return this.on(names, wrapped);
  }
  off(names, fn) {
    if (names === undefined) { this.#handlers.clear(); return this; }
    for (const name of String(names).split(/\s+/)) {
      const left = (this.#handlers.get(name) || []).filter((h) => fn && h.fn !== fn);
      this.#handlers.set(name, left);
    }
    return this;
  }
  trigger(name, ...args) {
    for (const h of [...(this.#handlers.get(name) || [])]) h.fn.apply(h.context || this, args);
    for (const h of [...(this.#handlers.get("all") || [])]) h.fn.apply(h.context || this, [name, ...args]);
    return this;
  }
  listenTo(other, names, fn) { other.on(names, fn, this); return this; }
}

class Model extends Emitter {
  // `props` are stored and serialised; `session` exists only until the page is reloaded.
  constructor(props, session = {}) {
    super();
    const values = { ...props, ...session };
    Object.defineProperty(this, "attributes", { value: values, enumerable: false });
    Object.defineProperty(this, "declared", { value: Object.keys(props), enumerable: false });
    for (const key of Object.keys(values)) {
      Object.defineProperty(this, key, { get: () => values[key], set: (value) => { this.set(key, value); }, enumerable: true, configurable: true });
    }
  }
  set(key, value) {
    const changes = typeof key === "object" ? key : { [key]: value };
    const fired = [];
    for (const [name, next] of Object.entries(changes)) {
      const old = this.attributes[name];
      if (old === next) continue;
      if (!(name in this.attributes)) {
        const accessors = { get: () => this.attributes[name], set: (v) => { this.set(name, v); } };
        Object.defineProperty(this, name, { ...accessors, enumerable: true, configurable: true });
      }
      this.attributes[name] = next;
      fired.push([name, next, old]);
    }
    for (const [name, next, old] of fired) this.trigger("change:" + name, this, next, old);
    if (fired.length > 0) this.trigger("change", this);
    return this;
  }
  serialize() {
    const out = {};
    for (const key of this.declared) {
      const value = this.attributes[key];
      out[key] = value instanceof Collection ? value.map((m) => m.serialize()) : value;
    }
    return out;
  }
  toJSON() { return this.serialize(); }
  unsafe() { return this; }
  safe() { return this; }
}

class Collection extends Emitter {
  #models = [];
  #byId = new Map();
  constructor(modelClass = Model) {
    super();
    this.modelClass = modelClass;
  }
  get(id) { return id === undefined || id === null ? undefined : this.#byId.get(String(id)); }
  add(models, options = {}) {
    const list = Array.isArray(models) ? models : [models];
    let front = 0; // earlier models are put before the existing ones, in their own order
    const stored = list.map((model) => {
      const known = this.get(model.id);
      if (known) return known;
      if (options.add === "before") this.#models.splice(front++, 0, model);
      else this.#models.push(model);
      this.#byId.set(String(model.id), model);
      model.on("all", (name, ...args) => { if (name !== "add" && name !== "remove") this.trigger(name, ...args); });
      return model;
    });
    stored.forEach((model, i) => { if (model === list[i]) this.trigger("add", model, this, options); });
    return stored;
  }
  remove(id) {
    const model = this.get(id.id || id);
    if (!model) return undefined;
    this.#models.splice(this.#models.indexOf(model), 1);
    this.#byId.delete(String(model.id));
    this.trigger("remove", model, this, {});
    return model;
  }
  // Updates the index after a model's id has changed.
  rekey(before, model) {
    if (this.#byId.get(before) !== model) return;
    this.#byId.delete(before);
    this.#byId.set(String(model.id), model);
  }
  // Returns the live array, which changes with the collection.
  getModelsArray() { return this.#models; }
  get _models() { return this.#models; }
  get length() { return this.#models.length; }
  at(i) { return this.#models[i]; }
  last() { return this.#models[this.#models.length - 1]; }
  map(fn) { return this.#models.map(fn); }
  filter(fn) { return this.#models.filter(fn); }
  forEach(fn) { this.#models.forEach(fn); }
  find(fn) { return this.#models.find(fn); }
}
