/** Save a file as the browser saves a download. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  // Attached: VS Code handles only clicks within its document.
  link.hidden = true
  document.body.append(link)
  link.click()
  link.remove()
  // The browser reads it after the click was handled.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
