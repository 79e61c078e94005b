-- A database as version 9 of the tables left it after an evening of sends: a bulk order, one that waits for its time,
-- one without WhatsApp. Written by the gateway of that version, dumped as text; most events are left out.
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'first','2026-11-29 18:47:07',1,X'3D35A72E8BA8DFC1FC19FA24F1C3597FF43989226D3B624B555478E9BAD8432861D63C470F3A8BC542F633F6185ED009',2686389);
INSERT INTO "_sqlx_migrations" VALUES(2,'session wish','2026-11-29 18:47:07',1,X'E9B3FFABFF71B8B3E34A487025E6AD12CDA0D5834A7B199E69F17331AC511EA3DCEE2C4E25A1FD9C7536419BE168D5D6',582124);
INSERT INTO "_sqlx_migrations" VALUES(3,'inbound','2026-11-29 18:47:07',1,X'4E095A29ACCFCE2D760DCC7B94D4223ABC2E048472D0B181C21B2AE2194DF4BD2420D25EB92F30F37E11A2DC7740125D',986680);
INSERT INTO "_sqlx_migrations" VALUES(4,'messages','2026-11-29 18:47:07',1,X'09D662211A8D750D4BB3AF2D7B2CC4EF4E9F82A351679B49DCFD183FD5913DE79944B67F4874F8CA5103EFD89433529B',2555323);
INSERT INTO "_sqlx_migrations" VALUES(5,'pacing','2026-11-29 18:47:07',1,X'2290D2B8015D3B3CB70D01A57D5DFF1D4B00475FAAE2B530E22F2BB15939B2FB22D74EB090503212870613F5C2BC9E08',895103);
INSERT INTO "_sqlx_migrations" VALUES(6,'profile gone','2026-11-29 18:47:07',1,X'E92D93B29F539588B76FA13F963BFA0B1D885A77FA755AAE9664BA745FBA12238057D6288052A21685F187CC9EA628B7',1567280);
INSERT INTO "_sqlx_migrations" VALUES(7,'bulk','2026-11-29 18:47:07',1,X'FDFC50C97F42BE9EF4E2D671A06C23FCDD7FED7380FEF7383C60661F6C672F54A6CEAB5D1B61BEE7A0A91110552749C3',845148);
INSERT INTO "_sqlx_migrations" VALUES(8,'restrictions','2026-11-29 18:47:07',1,X'2FE29B6BADADDF56B03B66723CEB7146983B32AFED695B2329E341D2123AD1DB3B6CC3B8270B5ABBBF27966452D75020',1022674);
INSERT INTO "_sqlx_migrations" VALUES(9,'retention','2026-11-29 18:47:07',1,X'F7EA4C9A7480DE78584F097731C3CB3A00A83351744BCCF552F6D8772269400E246C9AE221FB0BB488CCE8A5F1CC5387',1857226);
CREATE TABLE address (
    client TEXT NOT NULL,
    number TEXT NOT NULL,
    address TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (client, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "address" VALUES('default','4915100000011','{"chat":"428267853952869@lid","pn":"4915100000011@c.us","lid":"428267853952869@lid"}',1795978034498);
INSERT INTO "address" VALUES('default','4915100000013','{"chat":"426068830696447@lid","pn":"4915100000013@c.us","lid":"426068830696447@lid"}',1795978034504);
INSERT INTO "address" VALUES('default','4915123456789','{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"}',1795978029121);
CREATE TABLE bulk (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    -- what all have in common, JSON
    wanted TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    scope TEXT,
    key TEXT,
    fingerprint TEXT
, redacted INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "bulk" VALUES(1,'bulk_01m8ma3z9229mm4gy7jdd82bks','default','{"text":null,"mentions":[],"link_preview":true,"template":"greeting","locale":null,"variables":{"order":"9"},"send_at":null,"expires_at":null,"priority":"bulk","metadata":[]}',1795978034467,'local','bulk-1','d35145573fcddf4ab98cbf8764d1de42898a9e0c8a1f36ce5f68770be19932bd',0);
CREATE TABLE bulk_recipient (
    bulk INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number TEXT NOT NULL,
    -- a JSON object
    variables TEXT NOT NULL,
    -- once it is accepted
    outbox_id TEXT,
    -- why it was not
    code TEXT,
    reason TEXT,
    PRIMARY KEY (bulk, place)
) STRICT, WITHOUT ROWID;
INSERT INTO "bulk_recipient" VALUES(1,0,'4915100000011','{"name":"Ada"}','out_01m8ma3z9e4frxvecrwka05hep',NULL,NULL);
INSERT INTO "bulk_recipient" VALUES(1,1,'4915100000012','{}',NULL,'missing_variable','template "greeting" needs the variable "name"');
INSERT INTO "bulk_recipient" VALUES(1,2,'4915100000013','{"name":"Bob"}','out_01m8ma3z9m8m3qe1mbw0g3s7sx',NULL,NULL);
INSERT INTO "bulk_recipient" VALUES(1,3,'99912345678','{"name":"nobody"}','out_01m8ma3z9pc4zh0en68xzwct5v',NULL,NULL);
CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO "cursor" VALUES('deliveries',44);
CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    event_seq INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    target TEXT NOT NULL,
    -- pending | delivered | dead
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    reason TEXT,
    updated_at INTEGER NOT NULL,
    UNIQUE (event_seq, plugin, target)
) STRICT;
INSERT INTO "delivery" VALUES('dlv_01m8ma3rhxmv888m2e75a0ye49',1,'webhook','receiver','delivered',1,1795978027609,NULL,1795978027609);
INSERT INTO "delivery" VALUES('dlv_01m8ma3rq4b9zdd024b6xrzf1z',2,'webhook','receiver','delivered',1,1795978027766,NULL,1795978027766);
INSERT INTO "delivery" VALUES('dlv_01m8ma3rq591rytajbb6bf3xex',3,'webhook','receiver','delivered',1,1795978027791,NULL,1795978027791);
INSERT INTO "delivery" VALUES('dlv_01m8ma3rq591rytajbb6bf3xey',4,'webhook','receiver','delivered',1,1795978027791,NULL,1795978027791);
INSERT INTO "delivery" VALUES('dlv_01m8ma3rq591rytajbb6bf3xez',5,'webhook','receiver','delivered',1,1795978027791,NULL,1795978027791);
INSERT INTO "delivery" VALUES('dlv_01m8ma3sa3w875tcax08mrrvkp',6,'webhook','receiver','delivered',1,1795978028371,NULL,1795978028371);
INSERT INTO "delivery" VALUES('dlv_01m8ma3sfhym5cbd5rqm980j68',8,'webhook','receiver','delivered',1,1795978028557,NULL,1795978028557);
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    envelope TEXT NOT NULL
, body INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "event" VALUES(1,'evt_01m8ma3rgf4yvwc0zxpwkkhsp1',1795978027535,'{"id":"evt_01m8ma3rgf4yvwc0zxpwkkhsp1","at":1795978027535,"session":"default","account":null,"replayed":false,"event":{"type":"session_state","before":"disconnected","after":"loading","reason":"started"}}',0);
INSERT INTO "event" VALUES(2,'evt_01m8ma3rppah0e6hctczdh4kpt',1795978027734,'{"id":"evt_01m8ma3rppah0e6hctczdh4kpt","at":1795978027734,"session":"default","account":null,"replayed":false,"event":{"type":"message_failed","id":"3EB08145AC1BB6A0B3CC66","code":"cancelled","reason":"cancelled by the caller","message":{"to":{"chat":"4915123456789@c.us","pn":"4915123456789@c.us","lid":null},"content":{"kind":"text","body":"kept","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[["order","7"]]}}}',1);
INSERT INTO "event" VALUES(3,'evt_01m8ma3rpy4e6jffdk5rcjgagr',1795978027742,'{"id":"evt_01m8ma3rpy4e6jffdk5rcjgagr","at":1795978027742,"session":"default","account":null,"replayed":false,"event":{"type":"message_failed","id":"3EB08DA698A5B8209B65AD","code":"cancelled","reason":"purged by the caller","message":{"to":{"chat":"4915100000002@c.us","pn":"4915100000002@c.us","lid":null},"content":{"kind":"text","body":"seed","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}}}',1);
INSERT INTO "event" VALUES(4,'evt_01m8ma3rpy4e6jffdk5rcjgagt',1795978027742,'{"id":"evt_01m8ma3rpy4e6jffdk5rcjgagt","at":1795978027742,"session":"default","account":null,"replayed":false,"event":{"type":"message_failed","id":"3EB0D484270756FCA7A7E5","code":"cancelled","reason":"purged by the caller","message":{"to":{"chat":"4915100000003@c.us","pn":"4915100000003@c.us","lid":null},"content":{"kind":"text","body":"bulk 2","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}}}',1);
INSERT INTO "event" VALUES(5,'evt_01m8ma3rpy4e6jffdk5rcjgags',1795978027742,'{"id":"evt_01m8ma3rpy4e6jffdk5rcjgags","at":1795978027742,"session":"default","account":null,"replayed":false,"event":{"type":"message_failed","id":"3EB08A6E54A0B9E80F4A32","code":"cancelled","reason":"purged by the caller","message":{"to":{"chat":"4915100000003@c.us","pn":"4915100000003@c.us","lid":null},"content":{"kind":"text","body":"bulk 1","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}}}',1);
INSERT INTO "event" VALUES(6,'evt_01m8ma3s9jyntn05jy65pjvyt2',1795978028338,'{"id":"evt_01m8ma3s9jyntn05jy65pjvyt2","at":1795978028338,"session":"default","account":null,"replayed":false,"event":{"type":"session_state","before":"loading","after":"qr_ready","reason":"a QR can be scanned"}}',0);
INSERT INTO "event" VALUES(7,'evt_01m8ma3s9qv907bj7aa0k5mpma',1795978028343,'{"id":"evt_01m8ma3s9qv907bj7aa0k5mpma","at":1795978028343,"session":"default","account":null,"replayed":false,"event":{"type":"qr","code":"","expires_at":1795978088343,"attempt":1}}',0);
INSERT INTO "event" VALUES(8,'evt_01m8ma3sernf4d0790qmbhhtjw',1795978028504,'{"id":"evt_01m8ma3sernf4d0790qmbhhtjw","at":1795978028504,"session":"default","account":{"pn":"4915112345678@c.us","lid":"396287059092315@lid","pushName":"Wharf Test"},"replayed":false,"event":{"type":"session_state","before":"qr_ready","after":"authenticated","reason":"linked"}}',0);
CREATE TABLE health (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    outbox_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('bulk','bulk_01m8ma3z9229mm4gy7jdd82bks/0','bulk_01m8ma3z9229mm4gy7jdd82bks/0','out_01m8ma3z9e4frxvecrwka05hep',1795978034485);
INSERT INTO "idempotency" VALUES('bulk','bulk_01m8ma3z9229mm4gy7jdd82bks/2','bulk_01m8ma3z9229mm4gy7jdd82bks/2','out_01m8ma3z9m8m3qe1mbw0g3s7sx',1795978034487);
INSERT INTO "idempotency" VALUES('bulk','bulk_01m8ma3z9229mm4gy7jdd82bks/3','bulk_01m8ma3z9229mm4gy7jdd82bks/3','out_01m8ma3z9pc4zh0en68xzwct5v',1795978034492);
INSERT INTO "idempotency" VALUES('local','key-1','3ad90eec4c0fc0bb5da533029542d7b97d3ef3af67ae99ae604660057e25e7bc','out_01m8ma3rntfka0rx4pcp0xa9yw',1795978027707);
CREATE TABLE inbound (
    client TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (client, message_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE kv (
    plugin TEXT NOT NULL,
    -- empty: across sessions
    session TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (plugin, session, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease (
    client TEXT PRIMARY KEY,
    token INTEGER NOT NULL
) STRICT;
INSERT INTO "lease" VALUES('default',1);
CREATE TABLE message_history (
    -- outbox.seq
    message INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- accepted | verdict | sending | requeued | unknown | not_sent | sent | ack | retried
    kind TEXT NOT NULL,
    -- a JSON object
    detail TEXT NOT NULL,
    PRIMARY KEY (message, step)
) STRICT, WITHOUT ROWID;
INSERT INTO "message_history" VALUES(1,1,1795978027707,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":718,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(1,2,1795978027735,'not_sent','{"code":"cancelled","reason":"cancelled by the caller"}');
INSERT INTO "message_history" VALUES(1,3,1795978027746,'retried','{}');
INSERT INTO "message_history" VALUES(1,4,1795978029122,'sending','{"attempt":1,"chat":"395380291527867@lid"}');
INSERT INTO "message_history" VALUES(1,5,1795978029165,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB08145AC1BB6A0B3CC66"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(1,6,1795978029193,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(1,7,1795978029239,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(2,1,1795978027720,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":954,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(2,2,1795978027742,'not_sent','{"code":"cancelled","reason":"purged by the caller"}');
INSERT INTO "message_history" VALUES(3,1,1795978027722,'','[["accepted",{"expiresAt":null,"priority":"bulk","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":376,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(3,2,1795978027743,'not_sent','{"code":"cancelled","reason":"purged by the caller"}');
INSERT INTO "message_history" VALUES(4,1,1795978027725,'','[["accepted",{"expiresAt":null,"priority":"bulk","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":318,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(4,2,1795978027743,'not_sent','{"code":"cancelled","reason":"purged by the caller"}');
INSERT INTO "message_history" VALUES(5,1,1795978029184,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":460,"plugin":"number-policy","verdict":"allow","when":"accept"}],["sending",{"attempt":1,"chat":"395380291527867@lid"}]]');
INSERT INTO "message_history" VALUES(5,2,1795978029239,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB04E39E0E064CB76D819"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(5,3,1795978029265,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(5,4,1795978029321,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(6,1,1795978029242,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":"greeting"}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":398,"plugin":"number-policy","verdict":"allow","when":"accept"}],["sending",{"attempt":1,"chat":"395380291527867@lid"}]]');
INSERT INTO "message_history" VALUES(6,2,1795978029265,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB0FAA39BC7B2F2E3ABB6"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(6,3,1795978029321,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(6,4,1795978029418,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(7,1,1795978029268,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":653,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(7,2,1795978029280,'not_sent','{"code":"not_on_whatsapp","reason":"99912345678 has no WhatsApp account"}');
INSERT INTO "message_history" VALUES(8,1,1795978029308,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":1795978032289,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":3128,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(8,2,1795978033131,'','[["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":770,"plugin":"number-policy","verdict":"allow","when":"dispatch"}],["sending",{"attempt":1,"chat":"395380291527867@lid"}]]');
INSERT INTO "message_history" VALUES(8,3,1795978033167,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB0348F717FB3D499B85D"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(8,4,1795978033218,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(8,5,1795978033246,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(9,1,1795978029372,'','[["accepted",{"expiresAt":1795978092290,"priority":"interactive","sendAt":1795978092289,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":411,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(10,1,1795978029460,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":40374,"plugin":"number-policy","verdict":"allow","when":"accept"}],["sending",{"attempt":1,"chat":"395380291527867@lid"}]]');
INSERT INTO "message_history" VALUES(10,2,1795978029490,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB0457EF07C6B2A260FCA"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(10,3,1795978029531,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(10,4,1795978029588,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(11,1,1795978033191,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":769,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(11,2,1795978034403,'sending','{"attempt":1,"chat":"395380291527867@lid"}');
INSERT INTO "message_history" VALUES(11,3,1795978034438,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB02A28AFB2A58E958CDD"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(11,4,1795978034478,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(11,5,1795978034514,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(12,1,1795978033195,'','[["accepted",{"expiresAt":null,"priority":"interactive","sendAt":null,"template":null}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":409,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(12,2,1795978034404,'sending','{"attempt":1,"chat":"395380291527867@lid"}');
INSERT INTO "message_history" VALUES(12,3,1795978034438,'','[["sent",{"chat":"395380291527867@lid","messageKey":"true_395380291527867@lid_3EB07D0FA89079F09AC47F"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(12,4,1795978034478,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(12,5,1795978034514,'ack','{"level":"read"}');
INSERT INTO "message_history" VALUES(13,1,1795978034485,'','[["accepted",{"expiresAt":null,"priority":"bulk","sendAt":null,"template":"greeting"}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":2925,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(13,2,1795978034518,'sending','{"attempt":1,"chat":"428267853952869@lid"}');
INSERT INTO "message_history" VALUES(13,3,1795978034568,'','[["sent",{"chat":"428267853952869@lid","messageKey":"true_428267853952869@lid_3EB0E9E20BF0C384F87CC1"}],["ack",{"level":"server"}],["ack",{"level":"device"}]]');
INSERT INTO "message_history" VALUES(14,1,1795978034487,'','[["accepted",{"expiresAt":null,"priority":"bulk","sendAt":null,"template":"greeting"}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":1245,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(14,2,1795978034518,'sending','{"attempt":1,"chat":"426068830696447@lid"}');
INSERT INTO "message_history" VALUES(14,3,1795978034568,'','[["sent",{"chat":"426068830696447@lid","messageKey":"true_426068830696447@lid_3EB0F1215B642430D8F2B6"}],["ack",{"level":"server"}]]');
INSERT INTO "message_history" VALUES(14,4,1795978034601,'ack','{"level":"device"}');
INSERT INTO "message_history" VALUES(15,1,1795978034492,'','[["accepted",{"expiresAt":null,"priority":"bulk","sendAt":null,"template":"greeting"}],["verdict",{"component":"391120320a149db0aea29ab9c99fa48414024d1d968de6993b781ef69fe94a4f","detail":null,"micros":1775,"plugin":"number-policy","verdict":"allow","when":"accept"}]]');
INSERT INTO "message_history" VALUES(15,2,1795978034549,'not_sent','{"code":"not_on_whatsapp","reason":"99912345678 has no WhatsApp account"}');
CREATE TABLE "outbox" (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    message_id TEXT NOT NULL,
    number TEXT NOT NULL,
    -- queued | sending | unknown | sent | not_sent
    state TEXT NOT NULL,
    -- 0 interactive, 1 bulk
    priority INTEGER NOT NULL DEFAULT 0,
    -- 1 until not_before has come: the queue never looks at those
    held INTEGER NOT NULL DEFAULT 0,
    -- 0: at once, whatever the clock says
    not_before INTEGER NOT NULL DEFAULT 0,
    -- a queued send that failed for the moment is tried again then, and holds back its chat until then
    retry_at INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER,
    code TEXT,
    reason TEXT,
    chat TEXT,
    message_key TEXT,
    ack INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    message TEXT NOT NULL
, profile_gone INTEGER NOT NULL DEFAULT 0, redacted INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "outbox" VALUES(1,'out_01m8ma3rntfka0rx4pcp0xa9yw','default','3EB08145AC1BB6A0B3CC66','4915123456789','sent',0,0,0,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB08145AC1BB6A0B3CC66',3,1,1,1795978027707,1795978029161,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"kept","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[["order","7"]]}',0,0);
INSERT INTO "outbox" VALUES(2,'out_01m8ma3rp7efdgg6tkr0w79958','default','3EB08DA698A5B8209B65AD','4915100000002','not_sent',0,0,0,0,NULL,'cancelled','purged by the caller',NULL,NULL,0,0,0,1795978027720,1795978027742,'{"to":{"chat":"4915100000002@c.us","pn":"4915100000002@c.us","lid":null},"content":{"kind":"text","body":"seed","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(3,'out_01m8ma3rpa058vkg27php3725e','default','3EB08A6E54A0B9E80F4A32','4915100000003','not_sent',1,0,0,0,NULL,'cancelled','purged by the caller',NULL,NULL,0,0,0,1795978027722,1795978027743,'{"to":{"chat":"4915100000003@c.us","pn":"4915100000003@c.us","lid":null},"content":{"kind":"text","body":"bulk 1","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(4,'out_01m8ma3rpcw02cc26a2qck6pby','default','3EB0D484270756FCA7A7E5','4915100000003','not_sent',1,0,0,0,NULL,'cancelled','purged by the caller',NULL,NULL,0,0,0,1795978027725,1795978027743,'{"to":{"chat":"4915100000003@c.us","pn":"4915100000003@c.us","lid":null},"content":{"kind":"text","body":"bulk 2","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(5,'out_01m8ma3t3zt2q3pd05v4w5n6q7','default','3EB04E39E0E064CB76D819','4915123456789','sent',0,0,0,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB04E39E0E064CB76D819',3,1,1,1795978029184,1795978029231,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"at once","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(6,'out_01m8ma3t5mjnmpzmm77epddp5a','default','3EB0FAA39BC7B2F2E3ABB6','4915123456789','sent',0,0,0,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB0FAA39BC7B2F2E3ABB6',3,1,1,1795978029242,1795978029260,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"Hallo Ada, deine Bestellung 7 ist unterwegs.","mentions":[],"preview_links":false},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(7,'out_01m8ma3t6ffk461fsawshbkdx3','default','3EB0B504F6E4E67AB589E6','99912345678','not_sent',0,0,0,0,NULL,'not_on_whatsapp','99912345678 has no WhatsApp account',NULL,NULL,0,0,0,1795978029268,1795978029276,'{"to":{"chat":"99912345678@c.us","pn":"99912345678@c.us","lid":null},"content":{"kind":"text","body":"anybody?","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(8,'out_01m8ma3t7dmnrsvk60sh4fz6vd','default','3EB0348F717FB3D499B85D','4915123456789','sent',0,0,1795978032289,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB0348F717FB3D499B85D',3,1,1,1795978029308,1795978033167,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"later","mentions":[],"preview_links":true},"reply_to":null,"send_at":1795978032289,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(9,'out_01m8ma3t9t1py8x5ry1d7kza5y','default','3EB0BE347565FC9FC70C95','4915123456789','queued',0,1,1795978092289,0,1795978092290,NULL,NULL,NULL,NULL,0,0,0,1795978029372,1795978029372,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"too late","mentions":[],"preview_links":true},"reply_to":null,"send_at":1795978092289,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(10,'out_01m8ma3tbbp73bkqs4ecx54xws','default','3EB0457EF07C6B2A260FCA','4915123456789','sent',0,0,0,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB0457EF07C6B2A260FCA',3,1,1,1795978029460,1795978029489,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"meanwhile","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(11,'out_01m8ma3y16bcds9t0mtvm228ah','default','3EB02A28AFB2A58E958CDD','4915123456789','sent',0,0,0,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB02A28AFB2A58E958CDD',3,1,1,1795978033191,1795978034436,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"after the pause","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(12,'out_01m8ma3y1ay5d0w5tyrj01ewjq','default','3EB07D0FA89079F09AC47F','4915123456789','sent',0,0,0,0,NULL,NULL,NULL,'395380291527867@lid','true_395380291527867@lid_3EB07D0FA89079F09AC47F',3,1,1,1795978033195,1795978034436,'{"to":{"chat":"395380291527867@lid","pn":"4915123456789@c.us","lid":"395380291527867@lid"},"content":{"kind":"text","body":"and this","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(13,'out_01m8ma3z9e4frxvecrwka05hep','default','3EB0E9E20BF0C384F87CC1','4915100000011','sent',1,0,0,0,NULL,NULL,NULL,'428267853952869@lid','true_428267853952869@lid_3EB0E9E20BF0C384F87CC1',2,1,1,1795978034485,1795978034567,'{"to":{"chat":"428267853952869@lid","pn":"4915100000011@c.us","lid":"428267853952869@lid"},"content":{"kind":"text","body":"Hello Ada, your order 9 is on its way.","mentions":[],"preview_links":false},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(14,'out_01m8ma3z9m8m3qe1mbw0g3s7sx','default','3EB0F1215B642430D8F2B6','4915100000013','sent',1,0,0,0,NULL,NULL,NULL,'426068830696447@lid','true_426068830696447@lid_3EB0F1215B642430D8F2B6',2,1,1,1795978034487,1795978034567,'{"to":{"chat":"426068830696447@lid","pn":"4915100000013@c.us","lid":"426068830696447@lid"},"content":{"kind":"text","body":"Hello Bob, your order 9 is on its way.","mentions":[],"preview_links":false},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
INSERT INTO "outbox" VALUES(15,'out_01m8ma3z9pc4zh0en68xzwct5v','default','3EB00F66BDC717A6CE0661','99912345678','not_sent',1,0,0,0,NULL,'not_on_whatsapp','99912345678 has no WhatsApp account',NULL,NULL,0,0,0,1795978034492,1795978034549,'{"to":{"chat":"99912345678@c.us","pn":"99912345678@c.us","lid":null},"content":{"kind":"text","body":"Hello nobody, your order 9 is on its way.","mentions":[],"preview_links":false},"reply_to":null,"send_at":null,"metadata":[]}',0,0);
CREATE TABLE paced (
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- outbox.seq
    message INTEGER NOT NULL,
    -- 1: to somebody who was not known
    cold INTEGER NOT NULL,
    PRIMARY KEY (client, at, message)
) STRICT, WITHOUT ROWID;
CREATE TABLE recipient (
    client TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (client, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "recipient" VALUES('default','4915100000011');
INSERT INTO "recipient" VALUES('default','4915100000013');
INSERT INTO "recipient" VALUES('default','4915123456789');
CREATE TABLE restriction (
    client TEXT NOT NULL,
    -- reach_out_time_lock | new_chat_limit
    kind TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (client, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE sending (
    client TEXT PRIMARY KEY,
    -- since when it is paused by hand
    paused_at INTEGER,
    -- its first send, where warming up begins
    first_at INTEGER
) STRICT;
INSERT INTO "sending" VALUES('default',NULL,NULL);
CREATE TABLE session (
    client TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    linked INTEGER NOT NULL,
    account TEXT
) STRICT;
INSERT INTO "session" VALUES('default','ready','connected and synced',1795978029115,1,'{"pn":"4915112345678@c.us","lid":"396287059092315@lid","pushName":"Wharf Test"}');
CREATE TABLE session_wish (
    client TEXT PRIMARY KEY,
    -- it shall run
    wanted INTEGER NOT NULL,
    -- made through the API, not named in the configuration
    made INTEGER NOT NULL,
    -- pairs that its events carry, a JSON array of arrays
    metadata TEXT NOT NULL
) STRICT;
CREATE TABLE told (
    client TEXT NOT NULL,
    account TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (client, account)
) STRICT, WITHOUT ROWID;
INSERT INTO "told" VALUES('default','4915112345678@c.us',1795978029117);
CREATE TABLE transition (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    at INTEGER NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
INSERT INTO "transition" VALUES(1,'default',1795978027533,'disconnected','loading','started');
INSERT INTO "transition" VALUES(2,'default',1795978028338,'loading','qr_ready','a QR can be scanned');
INSERT INTO "transition" VALUES(3,'default',1795978028504,'qr_ready','authenticated','linked');
INSERT INTO "transition" VALUES(4,'default',1795978029115,'authenticated','ready','connected and synced');
CREATE INDEX transition_by_client ON transition (client, seq);
CREATE INDEX health_by_client ON health (client, seq);
CREATE INDEX delivery_due ON delivery (state, next_at);
CREATE INDEX outbox_queue ON outbox (client, priority, seq) WHERE state = 'queued' AND held = 0;
CREATE INDEX outbox_held ON outbox (not_before) WHERE state = 'queued' AND held = 1;
CREATE INDEX outbox_deadline ON outbox (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX outbox_begun ON outbox (client, seq) WHERE state IN ('sending', 'unknown');
CREATE UNIQUE INDEX outbox_message ON outbox (message_id) WHERE attempt > 0;
CREATE INDEX idempotency_message ON idempotency (outbox_id);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX paced_cold ON paced (client, at) WHERE cold = 1;
CREATE UNIQUE INDEX bulk_key ON bulk (scope, key) WHERE key IS NOT NULL;
CREATE INDEX bulk_pending ON bulk_recipient (bulk, place) WHERE outbox_id IS NULL AND code IS NULL;
CREATE INDEX outbox_parked ON outbox (client, priority, seq) WHERE state = 'queued' AND held = 2;
CREATE INDEX outbox_parked_for ON outbox (client, number, priority, seq) WHERE state = 'queued' AND held = 2;
CREATE INDEX outbox_done ON outbox (redacted, updated_at)
WHERE (state IN ('sent', 'not_sent') OR (state IN ('sending', 'unknown') AND profile_gone = 1));
CREATE INDEX event_body ON event (at) WHERE body = 1;
CREATE INDEX bulk_body ON bulk (created_at) WHERE redacted = 0;
CREATE INDEX inbound_age ON inbound (at);
INSERT INTO "sqlite_sequence" VALUES('outbox',15);
INSERT INTO "sqlite_sequence" VALUES('event',45);
INSERT INTO "sqlite_sequence" VALUES('transition',4);
INSERT INTO "sqlite_sequence" VALUES('bulk',1);

