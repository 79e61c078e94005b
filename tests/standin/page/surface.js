function surfaceModules() {
  provide("WAWebHandleDirectChatReceipt", { handleChatSimpleReceipt: (receipt) => receipts.note(receipt) });
  provide("WAWebHandleGroupChatReceipt", { handleGroupSimpleReceipt: (receipt) => receipts.note(receipt) });
}
