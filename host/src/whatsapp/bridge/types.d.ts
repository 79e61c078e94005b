// The types of the bridge: the parts of WhatsApp Web's modules that it uses, and the values that
// pass between it and the gateway. The files of the bridge become one script, so they share one
// scope and import nothing; neither does this file.
//
// WhatsApp Web publishes no types. An entry here describes how the bridge uses an export, not
// everything that the export can do.

// The constants that `script.rs` puts before the bridge.
declare const BINDING: `__${string}`;
/** The most bytes of UTF-8 that the gateway takes at a time. */
declare const MOST_SAID: number;
declare const CONTRACT: Record<Capability, { feature: string; parts: string[] }>;
declare const LOGIN: Record<string, string> | null;

type Capability = keyof typeof import("./contract.json");

interface Window {
  require?: (name: string) => any;
  requireLazy?: (names: string[], loaded: () => void) => void;
  ErrorGuard?: { skipGuardGlobal?: (on: boolean) => void };
  Debug?: { VERSION?: string };
  [binding: `__${string}`]: ((said: string) => void) | undefined;
}

/** A module in the loader's map. */
interface ModuleRecord {
  /** Null when the module has been loaded. */
  dependencies: unknown[] | null | undefined;
  depPosition: number;
}

/** An object of the page that emits events. */
interface Emitter {
  on(events: string, listener: (...args: any[]) => unknown): void;
  once(events: string, listener: (...args: any[]) => unknown): void;
}

/** An address. Its text is `<user>@<server>`. */
interface Wid {
  user: string;
  isUser?(): boolean;
  isGroup?(): boolean;
  isLid?(): boolean;
  toString(): string;
}

/** A message key; only its text is read, see `partsOf`. */
interface MessageKey {
  toString(): string;
}
interface KeyParts {
  fromMe: boolean;
  chat: Wid;
  id: string;
  participant: Wid | undefined;
}

/**
 * A model of the page, or a row of its database, which has the same fields and no functions. Many
 * of its fields come from other people's programs; see `content.js`.
 */
interface Message extends Emitter {
  id: MessageKey;
  type: string;
  ack?: number;
  t?: unknown;
  isNewMsg?: boolean;
  isSendFailure?: boolean;
  latestEditMsgKey?: unknown;
  errorCode?: unknown;
  unsafe?(): Message;
  msgContextInfo(chat: Wid): Record<string, unknown>;
}
/** A message of a chat: its key as text, with its model from memory or its row from the database. */
interface Located {
  key: string;
  model?: Message;
  row?: Message;
}
interface Chat {
  id: Wid;
  t?: unknown;
  groupMetadata?: { isLidAddressingMode?: boolean };
  msgs: { getModelsArray(): Message[] };
}
/** Where reading a chat begins: at its end, or at a message. */
type Anchor = { remote: Wid } | MessageKey | undefined;
interface SendRecord {
  data: { id: MessageKey };
}
type SendJob = (this: unknown, record: SendRecord, ...rest: unknown[]) => Promise<{ error?: unknown } | null | undefined>;
type SendResult = Promise<{ messageSendResult?: unknown } | null | undefined>;

/**
 * The parts of WhatsApp Web that the bridge uses, by the names of the contract. Parts that only one
 * file uses are typed in that file, the others here.
 */
interface WhatsApp
  extends CallsModules,
    CoreModules,
    KeysModules,
    PairingModules,
    PasskeyModules,
    PeopleModules,
    PreviewsModules,
    QrModules,
    RefusalsModules,
    SendModules,
    SentModules,
    StatusModules {
  "WAWebAltDeviceLinkingApi.initializeQRLinking": () => Promise<void>;
  "WAWebApiContact.getCurrentLid": (wid: Wid | string) => Wid | null | undefined;
  "WAWebBackendEventBus.BackendEventBus": Emitter & { triggerRefreshQR(): void };
  "WAWebCollections.Chat": { get(chat: Wid | string): Chat | undefined; getModelsArray(): Chat[] };
  "WAWebCollections.Msg": Emitter & {
    getModelsArray(): Message[];
    getMessagesById(keys: string[]): Promise<{ messages: (Message | undefined)[] }>;
  };
  "WAWebConnModel.Conn": Emitter & { ref?: string; refTTL?: unknown; pushname?: unknown };
  "WAWebDBMessageFindLocal.msgFindBefore": (request: { anchor: Anchor; count: number }) => Promise<{ messages: Message[] }>;
  "WAWebLinkDeviceEvents.WAWebLinkDeviceEvents": Emitter;
  "WAWebMsgKey": new (parts: object) => MessageKey;
  "WAWebSocketModel.Socket": Emitter & { state?: string; stream?: string; hasSynced?: boolean; logout(): void };
  "WAWebUserPrefsMeUser.getMaybeMeLidUser": () => Wid | undefined;
  "WAWebUserPrefsMeUser.getMaybeMePnUser": () => Wid | undefined;
}

/** What tells of changes, by the names of the contract. */
type EmitterPath = { [P in keyof WhatsApp]: WhatsApp[P] extends Emitter ? P : never }[keyof WhatsApp];

/** Both forms of a chat's address, as far as they are known. */
interface Address {
  chat: string;
  pn: string | null;
  lid: string | null;
}

/** The result of a call; see `calls.js`. The gateway's side is `BridgeError` in `page/question.rs`. */
type CallReply = { ok: unknown } | { error: CallFailure };
type CallFailure =
  | { kind: "booting" }
  | { kind: "contract_broken"; missing: string[] }
  | { kind: "no_such_chat" }
  | { kind: "quote_not_found"; reason: string }
  | { kind: "rate_limited" }
  | { kind: "not_available" }
  | { kind: "refused"; reason: string }
  | { kind: "failed"; reason: string };

/** The kinds with more than a few fields of {@link Content}, which `kinds.js` lists. */
interface TextContent {
  kind: "text";
  body: string;
  mentions: string[];
  preview_links: boolean;
}
interface MediaContent {
  kind: "media";
  media_kind: string;
  mime_type: string;
  size_bytes: number;
  file_name: string | null;
  caption: string | null;
  details: {
    mentions: string[];
    width: number | null;
    height: number | null;
    duration_ms: number | null;
    traits: string[];
  };
}
/** Reads a field of a message; undefined when it cannot be read. */
type Reader = (field: string) => any;
/** The kinds that the bridge can read; the others arrive as `other`. */
type ReadableKind = Exclude<Content["kind"], "other">;
/** How a kind of content is read and sent. */
interface Kind<C> {
  /** WhatsApp Web's names of the message types that are read as this kind. */
  types: string[];
  /** Undefined when a required field is missing. */
  read(get: Reader, type: string): Omit<C, "kind"> | undefined;
  /** The capability that sending needs. */
  needs?: Capability;
  /** Makes the fields of the message. Absent when the kind cannot be sent. */
  make?(content: C, chat: Chat, id: string): Record<string, unknown> | Promise<Record<string, unknown>>;
}
type SendableKind = Required<Pick<Kind<any>, "needs" | "make">>;
interface SendRequest {
  id: string;
  chat: string;
  content: Content;
  replyTo: string | null;
}
interface FoundMessage {
  key: string;
  address: Address;
  ack: number;
  failed: boolean;
}

/** The last message that is recorded, of the document with that id. */
interface Ticket {
  page: string;
  number: number;
}
/** A message that waits to be reported, or the end of a catch-up behind the messages that it has found. */
interface Waiting {
  /** In milliseconds since the epoch. */
  since: number;
  said?: { missed: boolean; message: object };
  end?: CatchUpEnd;
}
interface CatchUpEnd {
  /** Whether the messages were all that were missed; null when not all could be read. */
  complete: boolean | null;
}

interface PairingFlow {
  phone: string;
  renewals: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** A code is on its way. */
  making: boolean;
  /** Why no code can be typed any more; undefined also while another flow has taken its place. */
  ended: string | undefined;
}

/** A question of the page that is waiting for an answer. */
interface PasskeyQuestion {
  id: string;
  purpose: "link" | "checkpoint";
  resolve(answer: Credential | null): void;
  reject(reason: unknown): void;
}
/** The reported stages, and "void" while a question that we have ended is failing in the page. */
type LinkStage = "asked" | "signing" | "phone" | "confirm" | "finishing" | "failed" | "void";
type PasskeyOrder =
  | { order: "answer"; id: string; assertion: PasskeyAssertion }
  | { order: "confirm" | "expire" | "again" | "cancel" };
/** An assertion in JSON form, with bytes as base64url. */
interface PasskeyAssertion {
  id: string;
  rawId: string;
  response: Record<string, string | null>;
  clientExtensionResults?: { prf?: { results?: Record<string, string> } };
  authenticatorAttachment?: string | null;
}
