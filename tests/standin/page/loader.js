// The module loader, with the semantics that clients depend on: lazy factories, the rule for default exports, guarded
// requires, and unknown names that are only reported to the page's makers.
(function (global) {
  "use strict";
  const FACTORY_ARGS = 32, ESM_DEFAULT = 64;
  const modules = Object.create(null);
  let guardDepth = 0, skipGuard = false;

  function report(message) {
    const body = JSON.stringify({ message: String(message) });
    if (navigator.sendBeacon) navigator.sendBeacon("/report", body);
  }

  const ErrorGuard = {
    inGuard: function () { return guardDepth > 0; },
    skipGuardGlobal: function (on) { skipGuard = !!on; },
    reportError: function (error) { report(error && error.message); },
    applyWithGuard: function (fn, context, args) {
      guardDepth += 1;
      try { return fn.apply(context, args || []); }
      catch (error) { if (skipGuard) throw error; report(error && error.message); return undefined; }
      finally { guardDepth -= 1; }
    },
  };

  function fail(name) {
    const error = new Error('Requiring unknown module "' + name + '"');
    if (skipGuard || guardDepth > 0) throw error;
    report(error.message);
    return null;
  }

  // The record of a module, which is run if needed; null when it cannot be loaded.
  function load(name) {
    const record = modules[name];
    if (!record || !record.factory && !record.done) return fail(name);
    if (!record.done) {
      record.done = true;
      const factory = record.factory;
      record.factory = undefined; // dropped after it ran, as in production
      for (const dependency of record.dependencies) {
        if (modules[dependency]) continue;
        record.done = false;
        record.factory = factory;
        return fail(dependency);
      }
      record.depPosition = record.dependencies.length;
      const args = record.special & FACTORY_ARGS
        ? [global, require, importDefault, importNamespace, requireLazy, record, record.exports]
        : [global, require, requireDynamic, requireLazy, record, record.exports];
      factory.apply(null, args);
    }
    return record;
  }

  function require(name) {
    if (name === "__debug") return debug();
    const record = load(name);
    if (!record) return undefined;
    return record.special & ESM_DEFAULT && record.exports && record.exports.default !== undefined ? record.exports.default : record.exports;
  }
  // This is only a debugging aid: builds may lack it or give its records another form.
  function debug() {
    const kind = JSON.parse(document.getElementById("site-data").textContent).moduleMap;
    if (kind === "none") return fail("__debug");
    if (kind !== "other") return { modulesMap: modules };
    const records = Object.keys(modules).map(function (name) { return [name, { i: name, d: modules[name].dependencies }]; });
    return { modulesMap: Object.fromEntries(records) };
  }
  function importDefault(name) {
    const record = load(name);
    if (!record) return null;
    return record.exports && record.exports.default !== undefined ? record.exports.default : null;
  }
  function importNamespace(name) {
    const record = load(name);
    return record ? record.exports : undefined;
  }
  function requireDynamic(name) { throw new Error("requireDynamic " + name); }
  function requireLazy(names, done) {
    const missing = names.filter(function (name) { return !modules[name]; });
    if (missing.length === 0) return done.apply(null, names.map(require));
    waiting.push({ names: names, done: done });
  }
  let waiting = [];

  function define(name, dependencies, factory, special) {
    if (modules[name]) return;
    modules[name] = {
      id: name,
      dependencies: dependencies || [],
      depPosition: (dependencies || []).length,
      factory: factory,
      special: special || 0,
      exports: {},
      done: false,
      defined: true,
    };
    waiting = waiting.filter(function (entry) {
      if (!entry.names.every(function (wanted) { return modules[wanted]; })) return true;
      entry.done.apply(null, entry.names.map(require));
      return false;
    });
  }

  const queue = global.__loaderQueue || [];
  delete global.__loaderQueue;
  global.__d = define;
  global.define = define;
  global.require = require;
  global.importDefault = importDefault;
  global.importNamespace = importNamespace;
  global.requireDynamic = requireDynamic;
  global.requireLazy = requireLazy;
  global.ErrorGuard = ErrorGuard;
  queue.forEach(function (call) { (call[0] === "__d" ? define : requireLazy).apply(null, call[1]); });
  global.dispatchEvent(new Event("loader-ready"));
})(window);
