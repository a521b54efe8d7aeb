/** What is dragged within the page, and what is saved from it. */

const ITEM = 'application/x-armoire-item'

export function dragItem(event: DragEvent, id: number): void {
  event.dataTransfer?.setData(ITEM, String(id))
  if (event.dataTransfer) event.dataTransfer.effectAllowed = 'copyMove'
}

/** The id of the item of the shelf that was dropped, null if something else was. */
export function draggedItem(event: DragEvent): number | null {
  const text = event.dataTransfer?.getData(ITEM)
  return text ? Number(text) : null
}

/** Whether files are dragged over the page. */
export const dragsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false

/** Save a file as the browser saves a download. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  // The browser reads it after the click has been dealt with.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
